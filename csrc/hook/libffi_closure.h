/* SPDX-License-Identifier: MIT */
/* libffi_closure.h - what this room's halves share: a libffi closure that lies in a slot
 *
 * closures.c is for every architecture. Beside it is built planned.c, where arch/ has what plan/
 * needs (abi.c, entry.S). Elsewhere it is unplanned.c, and libffi's own entry code stays. The list
 * of sources chooses, not the preprocessor.
 */
#ifndef FS_HOOK_LIBFFI_CLOSURE_H
#define FS_HOOK_LIBFFI_CLOSURE_H

#include "hook/hook.h"

#include "arch/slot.h"
#include "base/base.h"
#include "tramp/find.h"

FS_IS_A_SLOT(ffi_closure, fun);

/* Find a closure that is plainly live, as nearly all are that a program names. Unlike
 * fs_slot_find(), this is false for a live slot that its owner has zeroed. In return it needs no
 * stack frame and reads the slot at the given address. Both matter: a program that frees in random
 * order waits for each slot to arrive from memory, and the fewer instructions lie between two such
 * waits, the more of them a processor has at once. */
static FS_ALWAYS_INLINE bool fs_hook_find(const void *closure, struct fs_ref *ref)
{
    struct fs_spot s = fs_locate(closure, FS_AMONG_SLOTS);
    if (!s.is_inside)
        return false;
    struct fs_table *t = &fs_resident;
    if (!s.is_resident && !(t = fs_registry_find((uintptr_t)s.table)))
        return false;
    *ref = (struct fs_ref){t, (unsigned)(s.at / FS_SLOT_SIZE)};
    if (s.at % FS_SLOT_SIZE || fs_slot_is_inner(t, ref->index))
        return false;
    void *entry = __atomic_load_n(&((const struct fs_slot *)closure)->entry, __ATOMIC_RELAXED);
    return entry && entry != (void *)fs_freed;
}

/* To prepare what fs_hook_find() did not find. 1: the closure is live all the same; 0: it lies
 * elsewhere and is libffi's to prepare. Dies if the address lies in a table and is no live closure:
 * libffi would write code bytes over a slot. */
FS_HIDDEN FS_COLD int fs_hook_look_closer(const ffi_closure *closure);

/* To free what fs_hook_find() did not find, or what owns memory: the live slot of a closure, which
 * libffi lets users name by its code address, too. NULL for NULL; dies for all else. */
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

/* Is the live slot sealed? */
static inline bool fs_hook_is_sealed(const ffi_closure *closure)
{
    return fs_slot_is_sealed(fs_slot_ref(closure));
}

/* libffi's callers take a closure that is not prepared for one that is. */
static inline int fs_hook_put(int error, const ffi_closure *closure)
{
    if (fs_unlikely(error))
        fs_die("libffi: ffi_prep_closure_loc(@): the page of this sealed closure could not be "
               "opened (mprotect, or memory for its plan)",
               (uintptr_t)closure, 0);
    return 1;
}

#endif
