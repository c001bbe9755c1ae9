/* SPDX-License-Identifier: MIT */
/* plan.h - a signature, compiled once into a closure's slot
 *
 * A call needs to know where each argument lies in the frame that the entry built, and how the
 * result goes back. Both depend on the signature alone. Stock libffi finds them out on every
 * call; a plan has them ready, in the slot that the call touches anyway:
 *
 *   entry   static code chosen by the signature's shape
 *   body    for a planned entry: counts and one byte per argument (struct fs_plan)
 *           for fs_entry_long: a pointer to a struct fs_long, which the slot owns
 *           for a scalar entry: nothing
 */
#ifndef FS_PLAN_H
#define FS_PLAN_H

#include "arch/abi.h"
#include "arch/slot.h"
#include "base/base.h"
#include "include/ffi_static.h"

#include <stdlib.h>

/* A plan that is ready to be put into a slot: two of its parts. */
struct fs_planned {
    void *entry;
    union fs_slot_body body;
};

/* Compile the signature of `cif`. On success *out owns memory if the plan is a long one, which
 * goes to the slot that *out is copied to. Errors as ffi_static_prep(), *out undefined. */
FS_HIDDEN int fs_plan_compile(const ffi_cif *cif, struct fs_planned *out);

/* Does the slot own memory? Only a long plan is memory of its own. */
static inline bool fs_plan_owns(const struct fs_slot *slot)
{
    return slot->entry == (void *)fs_entry_long;
}

/* Free what the slot owns, before it is freed or prepared again. */
static inline void fs_plan_release(const struct fs_slot *slot)
{
    if (fs_unlikely(fs_plan_owns(slot)))
        free(slot->body.spill);
}

/* Make a sealed slot a closure, and free one. What the slot owns is a read-only copy of the plan
 * (tramp/seal.h). The plan's own memory goes in any case. 0, or errors as fs_slot_put(), and
 * -ENOMEM. */
FS_HIDDEN int fs_plan_put(struct fs_slot *slot, const struct fs_planned *plan, void *cif,
                          void *handler, void *user_data, const char *doing);
FS_HIDDEN int fs_plan_free_sealed(struct fs_slot *slot, const char *doing);

/* What a sealed slot owns, or NULL. */
FS_HIDDEN void *fs_plan_owned(const struct fs_slot *slot);

/* How fs_entry_long calls a handler: `frame` is the entry's frame, the result what
 * fs_abi_tail_code() said of the signature. */
struct fs_frame;
FS_HIDDEN int fs_plan_run(const struct fs_slot *slot, struct fs_frame *frame);

#endif
