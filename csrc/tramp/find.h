/* SPDX-License-Identifier: MIT */
/* find.h - from an address to its slot, on every prepare and every free
 *
 * Inline because it is most of what they do. No lock, no walk; any address may be asked for. A
 * slot is live when its entry says so: a free one has fs_freed there, and what lies inside a run
 * is in the table's bitmap. NULL is in a hole, in a slot whose page was never filled, and in a
 * live one whose owner has zeroed it, as people do before they prepare a closure.
 */
#ifndef FS_FIND_H
#define FS_FIND_H

#include "tramp/registry.h"
#include "tramp/table.h"
#include "tramp/tramp.h"

/* The two addresses of a slot, each the other's inverse. */
static inline void *fs_ref_slot(struct fs_ref ref)
{
    return fs_table_slot(ref.table, ref.index);
}

static inline void *fs_ref_code(struct fs_ref ref)
{
    return fs_table_tramp(ref.table, ref.index);
}

static inline bool fs_slot_is_inner(const struct fs_table *t, unsigned index)
{
    if (fs_likely(!__atomic_load_n(&t->ninner, __ATOMIC_RELAXED)))
        return false;
    return fs_bit_is_set(t->inner, index);
}

/* Is this slot, whose entry is NULL, a live one that was zeroed? Its page was filled, then, and it
 * is no hole. */
static inline bool fs_slot_is_zeroed(const struct fs_table *t, unsigned index)
{
    unsigned w = index / FS_WORD_SLOTS;
    return fs_bit_is_set(t->filled, w) && (fs_table_usable(t, w) >> index % FS_WORD_SLOTS & 1);
}

/* The slot number `at` bytes into an area of `item`-byte things of table `t`, if it is live. */
static FS_ALWAYS_INLINE int fs_index_find(struct fs_table *t, size_t at, size_t item,
                                          struct fs_ref *ref)
{
    if (!t || at % item)
        return -EINVAL;
    unsigned index = (unsigned)(at / item);
    void **slot = fs_table_slot(t, index);
    void *entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (fs_slot_is_inner(t, index) || (!entry && !fs_slot_is_zeroed(t, index)))
        return -EINVAL;
    if (entry == (void *)fs_freed)
        return -EALREADY;
    *ref = (struct fs_ref){t, index};
    return 0;
}

/* Find the live slot at this address. 0; -EINVAL: no slot of ours starts there; -EALREADY: the
 * slot is free. */
static FS_ALWAYS_INLINE int fs_slot_find(const void *slot, struct fs_ref *ref)
{
    uintptr_t p = (uintptr_t)slot;
    size_t at = p - (uintptr_t)fs_resident_slots;
    if (at < (size_t)FS_RESIDENT_SLOTS * FS_SLOT_SIZE)
        return fs_index_find(&fs_resident, at, FS_SLOT_SIZE, ref);
    uintptr_t in_span = p % FS_TABLE_SPAN;
    at = in_span - FS_TABLE_CODE;
    if (at - 1 >= FS_TABLE_DATA - 1) /* outside, or the header */
        return -EINVAL;
    return fs_index_find(fs_registry_find(p - in_span), at, FS_SLOT_SIZE, ref);
}

/* Where an address is that is known to be a slot, whatever its state; the table is NULL if it is
 * not even that. */
static inline struct fs_ref fs_slot_ref(const void *slot)
{
    uintptr_t p = (uintptr_t)slot, in_span = p % FS_TABLE_SPAN;
    size_t at = p - (uintptr_t)fs_resident_slots;
    if (at < (size_t)FS_RESIDENT_SLOTS * FS_SLOT_SIZE)
        return (struct fs_ref){&fs_resident, (unsigned)(at / FS_SLOT_SIZE)};
    return (struct fs_ref){fs_registry_find(p - in_span),
                           (unsigned)((in_span - FS_TABLE_CODE) / FS_SLOT_SIZE)};
}

/* Find the live slot whose trampoline is at this address. Errors as above. */
static inline int fs_code_find(const void *code, struct fs_ref *ref)
{
    uintptr_t p = (uintptr_t)code;
    size_t at = p - (uintptr_t)fs_resident_code;
    if (at < (size_t)FS_RESIDENT_SLOTS * FS_TRAMP_SIZE)
        return fs_index_find(&fs_resident, at, FS_TRAMP_SIZE, ref);
    at = p % FS_TABLE_SPAN;
    if (at - 1 >= FS_TABLE_CODE - 1)
        return -EINVAL;
    return fs_index_find(fs_registry_find(p - at), at, FS_TRAMP_SIZE, ref);
}

#endif
