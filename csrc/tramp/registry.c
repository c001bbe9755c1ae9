/* SPDX-License-Identifier: MIT */
/* registry.c - an open-addressing hash from table address to table
 *
 * A reader may be in an old array while a larger one is made, so old arrays are kept until the
 * library goes; they double, so together they are no larger than the newest. A removed key stays
 * as a tombstone, so that probing goes on behind it, and is used again by the next key that
 * meets it.
 */
#include "tramp/registry.h"
#include "arch.h"

#include <stdlib.h>

struct pair {
    uintptr_t base; /* 0: never used; GONE: removed */
    struct fs_table *table;
};

struct array {
    struct array *older;
    size_t mask;
    size_t used; /* tombstones counted */
    struct pair pair[];
};

#define GONE ((uintptr_t)1)
#define FIRST_SIZE 64

static struct array *current;

static size_t first_probe(const struct array *a, uintptr_t base)
{
    uint64_t h = (uint64_t)(base / FS_TABLE_SPAN) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32) & a->mask;
}

struct fs_table *fs_registry_find(uintptr_t base)
{
    const struct array *a = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    if (!a || !base)
        return NULL;
    for (size_t i = first_probe(a, base);; i = (i + 1) & a->mask) {
        uintptr_t key = __atomic_load_n(&a->pair[i].base, __ATOMIC_ACQUIRE);
        if (key == base)
            return __atomic_load_n(&a->pair[i].table, __ATOMIC_RELAXED);
        if (key == 0)
            return NULL;
    }
}

static void put(struct array *a, uintptr_t base, struct fs_table *t)
{
    size_t i = first_probe(a, base);
    while (a->pair[i].base > GONE)
        i = (i + 1) & a->mask;
    a->used += a->pair[i].base == 0;
    __atomic_store_n(&a->pair[i].table, t, __ATOMIC_RELAXED);
    __atomic_store_n(&a->pair[i].base, base, __ATOMIC_RELEASE);
}

static int grow(void)
{
    size_t live = 0;
    for (size_t i = 0; current && i <= current->mask; i++)
        live += current->pair[i].base > GONE;
    size_t size = FIRST_SIZE;
    while (size < 4 * (live + 1))
        size *= 2;
    struct array *a = calloc(1, sizeof *a + size * sizeof a->pair[0]);
    if (!a)
        return -ENOMEM;
    a->mask = size - 1;
    a->older = current;
    for (size_t i = 0; current && i <= current->mask; i++)
        if (current->pair[i].base > GONE)
            put(a, current->pair[i].base, current->pair[i].table);
    __atomic_store_n(&current, a, __ATOMIC_RELEASE);
    return 0;
}

int fs_registry_add(uintptr_t base, struct fs_table *t)
{
    if (!current || 2 * (current->used + 1) > current->mask + 1) {
        int error = grow();
        if (error)
            return error;
    }
    put(current, base, t);
    return 0;
}

void fs_registry_remove(uintptr_t base)
{
    struct array *a = current;
    for (size_t i = first_probe(a, base);; i = (i + 1) & a->mask) {
        if (a->pair[i].base == base) {
            __atomic_store_n(&a->pair[i].base, GONE, __ATOMIC_RELEASE);
            return;
        }
        if (a->pair[i].base == 0)
            return;
    }
}

void fs_registry_clear(void)
{
    struct array *a = current;
    current = NULL;
    while (a) {
        struct array *older = a->older;
        free(a);
        a = older;
    }
}
