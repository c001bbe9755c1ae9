/* SPDX-License-Identifier: MIT */
/* planned.c - libffi closures with a plan: where arch/ has abi.c and entry.S
 *
 * The plan lies where libffi keeps its dynamic trampoline, which nobody needs any more. Types of
 * libffi's that have no plan get libffi's own entry.
 */
#include "hook/slot.h"

#include "plan/plan.h"

_Static_assert(FFI_TRAMPOLINE_SIZE >= 4 * sizeof(void *), "the entry and the plan fit its tramp");

/* The first word is the entry, the next three are the plan's (plan/plan.h). */
struct head {
    void *entry;
    uint64_t words[3];
};

void fs_hook_release(void *slot)
{
    struct head *h = slot;
    fs_plan_release(h->entry, h->words);
}

/* What is not a handful of scalars. Apart, so that the common case needs no plan in memory. */
static FS_COLD void *plan_slowly(struct head *h, const ffi_cif *cif, void *entry)
{
    struct fs_plan plan;
    if (fs_plan_compile(cif, &plan)) /* a type of libffi's that has no plan */
        plan = (struct fs_plan){.entry = entry};
    fs_plan_release(h->entry, h->words);
    __builtin_memcpy(h->words, plan.words, sizeof plan.words);
    return plan.entry;
}

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    struct fs_ref ref;
    int error = fs_slot_find(closure, &ref);
    if (fs_unlikely(error))
        return fs_hook_not_live(closure, error);
    struct head *h = (struct head *)closure;
    void *planned = fs_abi_quick_entry(cif);
    if (fs_likely(planned != NULL))
        fs_plan_release(h->entry, h->words);
    else
        planned = plan_slowly(h, cif, (void *)entry);
    fs_hook_store(closure, cif, handler, user_data, planned);
    return 1;
}
