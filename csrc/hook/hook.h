/* SPDX-License-Identifier: MIT */
/* hook.h - what the hand-written hooks in libffi's own sources call
 *
 * Compiled only inside libffi. libffi's ffi_prep_closure_loc() chooses one of its own entries, as
 * ever, and offers the closure here first. If the closure lies in one of our slots, its trampoline
 * loads the closure's address into R, where that entry expects it, so storing the entry is all
 * there is to do. Where this room has an entry planned for the signature, that is stored instead.
 * Memory that did not come from ffi_closure_alloc() is left to libffi.
 */
#ifndef FS_HOOK_H
#define FS_HOOK_H

#include <ffi.h>

#define FS_HOOK_API __attribute__((visibility("hidden")))

typedef void fs_hook_handler(ffi_cif *cif, void *ret, void **args, void *user_data);

/* Prepare `closure` with a plan for `cif`, or with libffi's own `entry` for what has no plan, which
 * is everything on an architecture that has none (unplanned.c).
 * 1: done; 0: the closure is not in a slot, nothing was changed. */
FS_HOOK_API int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                             void *user_data, void (*entry)(void));

/* The same without a plan: for the ABIs that only libffi knows. */
FS_HOOK_API int fs_hook_bind(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                             void *user_data, void (*entry)(void));

/* Before one of libffi's own entries runs a handler of `cif`: a result that comes back in registers
 * is zero until the handler writes it, so that one that fails returns 0 or a null pointer and not
 * what lay on the stack. `ret` is what the handler gets; where it is `in_memory`, it is the
 * caller's memory and stays as it is. Our own entries do the same (entry.S). */
static inline void fs_hook_clear(const ffi_cif *cif, void *ret, int in_memory)
{
    size_t size = cif->rtype->size;
    if (!in_memory)
        __builtin_memset(ret, 0, size > sizeof(ffi_arg) ? size : sizeof(ffi_arg));
}

#endif
