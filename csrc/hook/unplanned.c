/* SPDX-License-Identifier: MIT */
/* unplanned.c - libffi closures without a plan: where arch/ has trampolines and nothing else
 *
 * The trampoline loads the closure's address into the register in which libffi's entry of this
 * architecture expects it, so that entry is bound as it is. What libffi does on a call, and what
 * that costs, stays libffi's.
 */
#include "hook/libffi_closure.h"

void ffi_closure_free(void *closure)
{
    struct fs_ref ref;
    if (fs_likely(fs_hook_find(closure, &ref)) || fs_hook_look_for_free(closure, &ref))
        fs_slot_free(ref);
}

int fs_hook_bind(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    if (!fs_hook_is_ours(closure))
        return 0;
    fs_hook_store(closure, cif, handler, user_data);
    fs_slot_enter(closure, (void *)entry);
    return 1;
}

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    return fs_hook_bind(closure, cif, handler, user_data, entry);
}
