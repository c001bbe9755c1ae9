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

/* Find a closure that is plainly live, as nearly all are that a program names. It says less than
 * fs_slot_find(): false also for a live one that its owner has zeroed. In return it needs no stack
 * frame and reads the slot at the address that it was given. Both count: a program that frees in
 * random order waits for each slot, and how many such waits a processor has at once depends on how
 * few instructions are between them. */
static FS_ALWAYS_INLINE bool fs_hook_find(const void *closure, struct fs_ref *ref)
{
    uintptr_t p = (uintptr_t)closure, in_span = p % FS_TABLE_SPAN;
    struct fs_table *t = &fs_resident;
    size_t at = p - (uintptr_t)fs_resident_slots;
    if (at >= (size_t)FS_RESIDENT_SLOTS * FS_SLOT_SIZE) {
        at = in_span - FS_TABLE_CODE;
        if (at - 1 >= FS_TABLE_DATA - 1 || !(t = fs_registry_find(p - in_span)))
            return false;
    }
    *ref = (struct fs_ref){t, (unsigned)(at / FS_SLOT_SIZE)};
    if (at % FS_SLOT_SIZE || fs_slot_is_inner(t, ref->index))
        return false;
    void *entry = __atomic_load_n((void *const *)closure, __ATOMIC_RELAXED);
    return entry && entry != (void *)fs_freed;
}

/* What fs_hook_find() did not find is to be prepared. 1: it is live all the same; 0: it lies
 * elsewhere and is libffi's to prepare. Dies if it lies in a table and is no live closure: libffi
 * would write code bytes over a slot. */
FS_HIDDEN FS_COLD int fs_hook_look_closer(const ffi_closure *closure);

/* The same of what is to be freed, or what owns something: a code address is as good, all else
 * dies. */
FS_HIDDEN FS_COLD void fs_hook_free_slowly(void *closure);

/* ffi_closure_free(), which each half has for itself: `owns` tells whether a slot owns something
 * that fs_hook_release() gives back. */
static FS_ALWAYS_INLINE void fs_hook_free(void *closure, bool (*owns)(const void *slot))
{
    struct fs_ref ref;
    if (fs_likely(fs_hook_find(closure, &ref) && !owns(closure)))
        fs_slot_free(ref);
    else
        fs_hook_free_slowly(closure);
}

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
