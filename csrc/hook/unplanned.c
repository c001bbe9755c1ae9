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
    void *slot = closure;
    if (fs_unlikely(!fs_hook_find(closure, &ref)) && !(slot = fs_hook_look_for_free(closure, &ref)))
        return;
    if (fs_slot_is_sealed(ref)) /* if its page cannot be opened, it stays as it is */
        (void)fs_slot_free_sealed(slot, "ffi_closure_free");
    else
        fs_slot_free(ref);
}

int fs_hook_bind(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    if (!fs_hook_is_ours(closure))
        return 0;
    if (fs_hook_is_sealed(closure)) {
        struct fs_slot image = {.cif = cif, .handler = (void *)handler, .user_data = user_data};
        return fs_hook_put(fs_slot_put(closure, &image, (void *)entry, "ffi_prep_closure_loc"),
                           closure);
    }
    fs_hook_store(closure, cif, handler, user_data);
    fs_slot_enter(closure, (void *)entry);
    return 1;
}

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    return fs_hook_bind(closure, cif, handler, user_data, entry);
}
