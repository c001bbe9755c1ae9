/* SPDX-License-Identifier: MIT */
/* copies.c - the live copies of all stamps: an open-addressing hash by code address
 *
 * Everything is under the lock, so a table that was outgrown is unmapped at once. A removed copy
 * leaves a tombstone, which the next copy that meets it takes; growing leaves them behind.
 *
 * Fails when: mmap() refuses memory for a larger table.
 */
#include "stamp/stamp.h"

#include "base/lock.h"

#include <sys/mman.h>

#define NEVER ((uintptr_t)0) /* in `code`: no copy was ever here */
#define GONE ((uintptr_t)1)  /* one was */
#define FIRST_BYTES 0x10000  /* whole pages of any size */

struct table {
    size_t bytes, mask;
    size_t used; /* tombstones counted */
    struct fs_stamped copy[];
};

static struct table *current;

static size_t probe(const struct table *t, uintptr_t code)
{
    uint64_t h = (uint64_t)(code >> 12) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & t->mask;
}

/* The copy becomes visible, also to a child that is forked in between, with its code address. */
static void put(struct table *t, struct fs_stamped copy)
{
    size_t i = probe(t, copy.code);
    while (t->copy[i].code > GONE)
        i = (i + 1) & t->mask;
    t->used += t->copy[i].code == NEVER;
    t->copy[i].stamp = copy.stamp;
    t->copy[i].provider = copy.provider;
    fs_step();
    t->copy[i].code = copy.code;
}

static struct table *map_table(size_t bytes)
{
    struct table *t = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        return NULL;
    size_t room = 1;
    while (sizeof *t + 2 * room * sizeof t->copy[0] <= bytes)
        room *= 2;
    t->bytes = bytes;
    t->mask = room - 1;
    return t;
}

/* A table twice as large, or as large as before when half of what was used is tombstones. */
static int grow(void)
{
    size_t live = 0, bytes = FIRST_BYTES;
    for (struct fs_stamped *c = NULL; (c = fs_stamped_next(c));)
        live++;
    while (bytes < 4 * (live + 1) * sizeof(struct fs_stamped))
        bytes *= 2;
    struct table *old = current, *t = map_table(bytes);
    if (!t)
        return -ENOMEM;
    for (struct fs_stamped *c = NULL; (c = fs_stamped_next(c));)
        put(t, *c);
    fs_step();
    current = t;
    fs_step();
    if (old)
        munmap(old, old->bytes);
    return 0;
}

int fs_stamped_add(struct fs_stamped copy)
{
    if (!current || 2 * (current->used + 1) > current->mask + 1) {
        int error = grow();
        if (error)
            return error;
    }
    put(current, copy);
    return 0;
}

struct fs_stamped *fs_stamped_find(uintptr_t code)
{
    if (!current || code <= GONE)
        return NULL;
    for (size_t i = probe(current, code);; i = (i + 1) & current->mask) {
        if (current->copy[i].code == code)
            return &current->copy[i];
        if (current->copy[i].code == NEVER)
            return NULL;
    }
}

void fs_stamped_remove(struct fs_stamped *copy)
{
    copy->code = GONE;
}

void fs_stamped_put_back(struct fs_stamped *copy, uintptr_t code)
{
    copy->code = code;
}

struct fs_stamped *fs_stamped_next(struct fs_stamped *copy)
{
    if (!current)
        return NULL;
    size_t i = copy ? (size_t)(copy - current->copy) + 1 : 0;
    while (i <= current->mask && current->copy[i].code <= GONE)
        i++;
    return i <= current->mask ? &current->copy[i] : NULL;
}

void fs_stamped_forget(void)
{
    struct table *old = current;
    current = NULL;
    fs_step();
    if (old)
        munmap(old, old->bytes);
}
