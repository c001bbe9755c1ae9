/* SPDX-License-Identifier: MIT */
/* sealed.c - a plan into a sealed slot, and out of it
 *
 * A long plan says where arguments lie and which code returns the result, so it is sealed as well:
 * in pages of its own, which are never written to again.
 */
#include "plan/long.h"
#include "plan/plan.h"

#include "base/error.h"
#include "tramp/seal.h"
#include "tramp/tramp.h"

static size_t size_of(struct fs_long *p)
{
    return (size_t)((char *)(fs_long_pieces(p) + p->pieces) - (char *)p);
}

void *fs_plan_owned(const struct fs_slot *slot)
{
    return fs_plan_owns(slot) ? slot->body.spill : NULL;
}

static void drop(const struct fs_slot *slot)
{
    if (fs_plan_owns(slot))
        fs_seal_drop(slot->body.spill);
}

int fs_plan_put(struct fs_slot *slot, const struct fs_planned *plan, void *cif, void *handler,
                void *user_data, const char *doing)
{
    struct fs_slot image = {.entry = plan->entry,
                            .body = plan->body,
                            .cif = cif,
                            .handler = handler,
                            .user_data = user_data};
    if (fs_plan_owns(&image)) {
        struct fs_long *p = image.body.spill;
        image.body.spill = fs_seal_keep(p, size_of(p));
        int error = image.body.spill ? 0 : -errno;
        free(p);
        char answer[96];
        if (error)
            return fs_fail(error, "%s: no read-only page for the plan of a long signature: %s",
                           doing, fs_errno_text(error, answer, sizeof answer));
    }
    const struct fs_slot before = *slot;
    int error = fs_slot_put(slot, &image, image.entry, doing);
    drop(error ? &image : &before);
    return error;
}

int fs_plan_free_sealed(struct fs_slot *slot, const char *doing)
{
    const struct fs_slot before = *slot;
    int error = fs_slot_free_sealed(slot, doing);
    if (!error)
        drop(&before);
    return error;
}
