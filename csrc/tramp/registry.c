/* SPDX-License-Identifier: MIT */
/* registry.c - an open-addressing hash from table address to table
 *
 * A reader may be in an old array while a new one is made, so old arrays stay as they are until
 * the library goes (books.h). A removed key stays as a tombstone, so that probing goes on behind
 * it, and is used again by the next key that meets it. Tables come back to the addresses of closed
 * ones (table.c), so tombstones do not pile up and a new array is larger than the one before.
 */
#include "tramp/registry.h"

#include "tramp/books.h"
#include "tramp/table.h"

#define FIRST_SIZE 64

struct fs_registry *fs_registry_current;

static void put(struct fs_registry *a, uintptr_t base, struct fs_table *t)
{
    size_t i = fs_registry_probe(a, base);
    while (a->pair[i].base > FS_REGISTRY_GONE)
        i = (i + 1) & a->mask;
    a->used += a->pair[i].base == 0;
    __atomic_store_n(&a->pair[i].table, t, __ATOMIC_RELAXED);
    __atomic_store_n(&a->pair[i].base, base, __ATOMIC_RELEASE);
}

static int grow(void)
{
    size_t live = 0;
    for (size_t i = 0; fs_registry_current && i <= fs_registry_current->mask; i++)
        live += fs_registry_current->pair[i].base > FS_REGISTRY_GONE;
    size_t size = FIRST_SIZE;
    while (size < 4 * (live + 1))
        size *= 2;
    struct fs_registry *a = fs_books_take(sizeof *a + size * sizeof a->pair[0]);
    if (!a)
        return -ENOMEM;
    a->mask = size - 1;
    for (size_t i = 0; fs_registry_current && i <= fs_registry_current->mask; i++)
        if (fs_registry_current->pair[i].base > FS_REGISTRY_GONE)
            put(a, fs_registry_current->pair[i].base, fs_registry_current->pair[i].table);
    __atomic_store_n(&fs_registry_current, a, __ATOMIC_RELEASE);
    return 0;
}

int fs_registry_add(uintptr_t base, struct fs_table *t)
{
    if (!fs_registry_current ||
        2 * (fs_registry_current->used + 1) > fs_registry_current->mask + 1) {
        int error = grow();
        if (error)
            return error;
    }
    put(fs_registry_current, base, t);
    return 0;
}

void fs_registry_remove(uintptr_t base)
{
    struct fs_registry *a = fs_registry_current;
    for (size_t i = fs_registry_probe(a, base);; i = (i + 1) & a->mask) {
        if (a->pair[i].base == base) {
            __atomic_store_n(&a->pair[i].base, FS_REGISTRY_GONE, __ATOMIC_RELEASE);
            return;
        }
        if (a->pair[i].base == 0)
            return;
    }
}

/* No key is moved: this thread may be in the middle of a look-up, which the fork interrupted. */
void fs_registry_mend(struct fs_table *tables)
{
    struct fs_registry *a = fs_registry_current;
    if (!a)
        return;
    a->used = 0;
    for (size_t i = 0; i <= a->mask; i++) {
        struct fs_registry_pair *p = &a->pair[i];
        a->used += p->base != 0;
        if (p->base <= FS_REGISTRY_GONE)
            continue;
        struct fs_table *t = tables;
        while (t && (t != p->table || (uintptr_t)t->code != p->base))
            t = t->next;
        if (!t)
            __atomic_store_n(&p->base, FS_REGISTRY_GONE, __ATOMIC_RELEASE);
    }
}

void fs_registry_clear(void)
{
    fs_registry_current = NULL;
}
