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

#include "arch/slot.h"
#include "base/base.h"
#include "tramp/find.h"

FS_IS_A_SLOT(ffi_closure, fun);

/* Find a closure that is plainly live, as nearly all are that a program names. It says less than
 * fs_slot_find(): false also for a live one that its owner has zeroed. In return it needs no stack
 * frame and reads the slot at the address that it was given. Both count: a program that frees in
 * random order waits for each slot, and how many such waits a processor has at once depends on how
 * few instructions are between them. */
static FS_ALWAYS_INLINE bool fs_hook_find(const void *closure, struct fs_ref *ref)
{
    struct fs_spot s = fs_locate(closure, FS_AMONG_SLOTS);
    if (!s.is_inside)
        return false;
    *ref = (struct fs_ref){fs_spot_table(s), (unsigned)(s.at / FS_SLOT_SIZE)};
    if (!ref->table || s.at % FS_SLOT_SIZE || fs_slot_is_inner(ref->table, ref->index))
        return false;
    void *entry = __atomic_load_n(&((const struct fs_slot *)closure)->entry, __ATOMIC_RELAXED);
    return entry && entry != (void *)fs_freed;
}

/* What fs_hook_find() did not find is to be prepared. 1: it is live all the same; 0: it lies
 * elsewhere and is libffi's to prepare. Dies if it lies in a table and is no live closure: libffi
 * would write code bytes over a slot. */
FS_HIDDEN FS_COLD int fs_hook_look_closer(const ffi_closure *closure);

/* What fs_hook_find() did not find, or what owns something, is to be freed. `slot` or its code
 * address, as libffi takes both: its slot, live. NULL for NULL. Dies for all else. */
FS_HIDDEN FS_COLD void *fs_hook_look_for_free(void *closure, struct fs_ref *ref);

/* All of a prepared closure but its entry. */
static inline void fs_hook_store(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                 void *user_data)
{
    closure->cif = cif;
    closure->fun = handler;
    closure->user_data = user_data;
}

/* Is this closure a live slot? Dies as fs_hook_look_closer() does. */
static inline bool fs_hook_is_ours(const ffi_closure *closure)
{
    struct fs_ref ref;
    return fs_hook_find(closure, &ref) || fs_hook_look_closer(closure);
}

#endif
