/* SPDX-License-Identifier: MIT */
/* registry.h - from an address to its table, without a lock and without a walk
 *
 * Mapped tables lie at multiples of FS_TABLE_SPAN, so an address names the only table it can be
 * in. A hash table says whether that one exists, and has its struct. Readers take no lock. Writers
 * hold fs_lock().
 */
#ifndef FS_REGISTRY_H
#define FS_REGISTRY_H

#include "arch.h"
#include "base/base.h"

struct fs_table;

struct fs_registry_pair {
    uintptr_t base; /* 0: never used; FS_REGISTRY_GONE: removed */
    struct fs_table *table;
};

struct fs_registry {
    size_t mask;
    size_t used; /* tombstones counted */
    struct fs_registry_pair pair[];
};

#define FS_REGISTRY_GONE ((uintptr_t)1)

extern FS_HIDDEN struct fs_registry *fs_registry_current;

static inline size_t fs_registry_probe(const struct fs_registry *a, uintptr_t base)
{
    uint64_t h = (uint64_t)(base / FS_TABLE_SPAN) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & a->mask;
}

/* The table whose span begins at `base`, or NULL. */
static inline struct fs_table *fs_registry_find(uintptr_t base)
{
    const struct fs_registry *a = __atomic_load_n(&fs_registry_current, __ATOMIC_ACQUIRE);
    if (!a || !base)
        return NULL;
    for (size_t i = fs_registry_probe(a, base);; i = (i + 1) & a->mask) {
        uintptr_t key = __atomic_load_n(&a->pair[i].base, __ATOMIC_ACQUIRE);
        if (key == base)
            return __atomic_load_n(&a->pair[i].table, __ATOMIC_RELAXED);
        if (key == 0)
            return NULL;
    }
}

/* 0 or -ENOMEM. */
FS_HIDDEN int fs_registry_add(uintptr_t base, struct fs_table *t);
FS_HIDDEN void fs_registry_remove(uintptr_t base);

/* Forget the tables that are not in the list `tables`, all of whose others are here: a table is
 * registered before it is linked, and unlinked before it is removed. */
FS_HIDDEN void fs_registry_mend(struct fs_table *tables);

/* Forget all, before the memory of it goes. Only when no other thread can be reading: at
 * dlclose(). */
FS_HIDDEN void fs_registry_clear(void);

#endif
