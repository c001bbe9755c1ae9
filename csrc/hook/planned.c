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

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    struct fs_ref ref;
    if (fs_slot_find(closure, &ref))
        return 0;
    struct fs_plan plan = {.entry = fs_abi_quick_entry(cif)};
    if (!plan.entry && fs_plan_compile(cif, &plan)) /* a type of libffi's that has no plan */
        plan = (struct fs_plan){.entry = (void *)entry};
    struct head *h = (struct head *)closure;
    fs_plan_release(h->entry, h->words);
    __builtin_memcpy(h->words, plan.words, sizeof plan.words);
    fs_hook_store(closure, cif, handler, user_data, plan.entry);
    return 1;
}
