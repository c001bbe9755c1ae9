/* SPDX-License-Identifier: MIT */
/* unplanned.c - libffi closures without a plan: where arch/ has trampolines and nothing else
 *
 * The trampoline loads the closure's address into the register in which libffi's entry of this
 * architecture expects it, so that entry is bound as it is. What libffi does on a call, and what
 * that costs, stays libffi's.
 */
#include "hook/slot.h"

void fs_hook_release(void *slot)
{
    (void)slot; /* owns nothing */
}

static inline bool owns(const void *slot)
{
    (void)slot;
    return false;
}

void ffi_closure_free(void *closure)
{
    fs_hook_free(closure, owns);
}

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    return fs_hook_bind(closure, cif, handler, user_data, entry);
}
