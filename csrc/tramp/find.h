/* SPDX-License-Identifier: MIT */
/* find.h - from an address to its slot, on every prepare and every free
 *
 * Inline because it is most of what they do. No lock, no walk; any address may be asked for. A
 * slot's entry tells whether it is live: that of a free slot is fs_freed. The table's bitmap tells
 * which slots lie inside a run. The entry is NULL in a hole, in a slot whose page was never filled,
 * and in a live slot that its owner has zeroed, as people do before they prepare a closure.
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

/* Is this slot, whose entry is NULL, a live one that was zeroed? Yes if its page was filled and the
 * slot is no hole. */
static inline bool fs_slot_is_zeroed(const struct fs_table *t, unsigned index)
{
    unsigned w = index / FS_WORD_SLOTS;
    return fs_bit_is_set(t->filled, w) && (fs_table_usable(t, w) >> index % FS_WORD_SLOTS & 1);
}

/* Where an address is among the slots, or among the trampolines, of the table that it would be in.
 * By arithmetic alone: whether there is such a table, the registry knows. */
struct fs_spot {
    bool is_resident;
    bool is_inside; /* else it lies before or behind them, or is a mapped table's header */
    char *table;    /* the table's code */
    size_t at;      /* bytes from the first slot or trampoline */
};

enum fs_among { FS_AMONG_SLOTS, FS_AMONG_CODE };

static FS_ALWAYS_INLINE struct fs_spot fs_locate(const void *address, enum fs_among what)
{
    const bool is_code = what == FS_AMONG_CODE;
    const size_t item = is_code ? FS_TRAMP_SIZE : FS_SLOT_SIZE;
    uintptr_t p = (uintptr_t)address, in_span = p % FS_TABLE_SPAN;
    size_t at = p - (is_code ? (uintptr_t)fs_resident_code : (uintptr_t)fs_resident_slots);
    if (at < FS_RESIDENT_SLOTS * item)
        return (struct fs_spot){true, true, (char *)(uintptr_t)fs_resident_code, at};
    at = is_code ? in_span : in_span - FS_TABLE_CODE;
    return (struct fs_spot){false, at - 1 < FS_TABLE_SLOTS * item - 1, (char *)(p - in_span), at};
}

/* The table that a spot is in; NULL when there is none. */
static FS_ALWAYS_INLINE struct fs_table *fs_spot_table(struct fs_spot s)
{
    return s.is_resident ? &fs_resident : fs_registry_find((uintptr_t)s.table);
}

/* The slot number `at` bytes into an area of `item`-byte things of table `t`, if it is live. */
static FS_ALWAYS_INLINE int fs_index_find(struct fs_table *t, size_t at, size_t item,
                                          struct fs_ref *ref)
{
    if (!t || at % item)
        return -EINVAL;
    unsigned index = (unsigned)(at / item);
    void *entry = __atomic_load_n(&fs_table_slot(t, index)->entry, __ATOMIC_RELAXED);
    if (fs_slot_is_inner(t, index) || (!entry && !fs_slot_is_zeroed(t, index)))
        return -EINVAL;
    if (entry == (void *)fs_freed)
        return -EALREADY;
    *ref = (struct fs_ref){t, index};
    return 0;
}

static FS_ALWAYS_INLINE int fs_find(const void *address, enum fs_among what, struct fs_ref *ref)
{
    const size_t item = what == FS_AMONG_CODE ? FS_TRAMP_SIZE : FS_SLOT_SIZE;
    struct fs_spot s = fs_locate(address, what);
    if (s.is_resident) /* by itself: compiled for the one table whose fields' addresses are known */
        return fs_index_find(&fs_resident, s.at, item, ref);
    return s.is_inside ? fs_index_find(fs_spot_table(s), s.at, item, ref) : -EINVAL;
}

/* Find the live slot at this address. 0; -EINVAL: no slot of ours starts there; -EALREADY: the
 * slot is free. */
static FS_ALWAYS_INLINE int fs_slot_find(const void *slot, struct fs_ref *ref)
{
    return fs_find(slot, FS_AMONG_SLOTS, ref);
}

/* Find the live slot whose trampoline is at this address. Errors as above. */
static inline int fs_code_find(const void *code, struct fs_ref *ref)
{
    return fs_find(code, FS_AMONG_CODE, ref);
}

/* Is this slot in a sealed table? Then nothing but seal.c may write to it. */
static inline bool fs_slot_is_sealed(struct fs_ref ref)
{
    return fs_unlikely(ref.table->sealed);
}

/* Where an address is that is known to be a slot, whatever its state; the table is NULL if the
 * address is not even that. */
static inline struct fs_ref fs_slot_ref(const void *slot)
{
    struct fs_spot s = fs_locate(slot, FS_AMONG_SLOTS);
    return (struct fs_ref){fs_spot_table(s), (unsigned)(s.at / FS_SLOT_SIZE)};
}

/* The slot of what is known to be a code address, by arithmetic: what a sealed table's book-keeping
 * says is not believed. */
static inline void *fs_code_slot(const void *code)
{
    struct fs_spot s = fs_locate(code, FS_AMONG_CODE);
    char *slots = s.is_resident ? (char *)fs_resident_slots : s.table + FS_TABLE_CODE;
    return slots + s.at / FS_TRAMP_SIZE * FS_SLOT_SIZE;
}

/* The code address of what is known to be a slot. */
static inline void *fs_slot_code(const void *slot)
{
    struct fs_spot s = fs_locate(slot, FS_AMONG_SLOTS);
    return s.table + s.at / FS_SLOT_SIZE * FS_TRAMP_SIZE;
}

#endif
