/* SPDX-License-Identifier: MIT */
/* slot.h - what this room's halves share: a libffi closure that lies in a slot
 *
 * closures.c is for every architecture. Beside it is built planned.c, where arch/ has what plan/
 * needs (abi.c, entry.S), or else unplanned.c, where libffi's own entry code of that architecture
 * stays: which one is the choice of the list of sources, not of the preprocessor.
 */
#ifndef FS_HOOK_SLOT_H
#define FS_HOOK_SLOT_H

#include "hook/hook.h"

#include "arch.h"
#include "base/base.h"
#include "tramp/find.h"

_Static_assert(sizeof(ffi_closure) <= FS_SLOT_SIZE, "a closure fits a slot");
_Static_assert(offsetof(ffi_closure, cif) == FS_SLOT_CIF, "cif");
_Static_assert(offsetof(ffi_closure, fun) == FS_SLOT_HANDLER, "handler");
_Static_assert(offsetof(ffi_closure, user_data) == FS_SLOT_DATA, "user data");

/* fs_slot_find() has said `error` of a closure that is to be prepared. 0: it lies elsewhere and is
 * libffi's to prepare. Dies if it lies in a table: libffi would write code bytes over a slot. */
FS_HIDDEN FS_COLD int fs_hook_not_live(const ffi_closure *closure, int error);

/* Give back what the slot owns besides itself, before it is freed or prepared again. */
FS_HIDDEN void fs_hook_release(void *slot);

/* A prepared closure. The entry comes last: a thread that sees it sees what it needs. */
static inline void fs_hook_store(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                 void *user_data, void *entry)
{
    closure->cif = cif;
    closure->fun = handler;
    closure->user_data = user_data;
    __atomic_store_n((void **)(void *)closure, entry, __ATOMIC_RELEASE);
}

#endif
