/* SPDX-License-Identifier: MIT */
/* pool.h - bitmaps over tables: which slots are free, and how many tables there are
 *
 * Between the tables (table.h), which it has made and unmapped, and the threads' caches (tramp.c),
 * which it fills and empties in bulk. The first free bits of an open table go first, lowest address
 * first: slots in use stay together, and a table that nobody uses can go back to the system
 * (spare.h says when).
 *
 * A slot that is free has fs_freed in its first word, in a cache too. Slots are filled with
 * fs_freed a page at a time, when the first slot of the page is handed out, so a table costs memory
 * only as it is used.
 *
 * Functions are under fs_lock() or not under it, as each says.
 */
#ifndef FS_POOL_H
#define FS_POOL_H

#include "base/base.h"
#include "base/error.h"
#include "base/thread.h"
#include "tramp/table.h"
#include "tramp/tramp.h"

/* Caches are filled and emptied by halves. */
#define FS_POOL_BATCH (FS_CACHE_SLOTS / 2)

/* What a thread wants: its empty cache filled or, without one, a run of `count` slots, or a sealed
 * slot. */
struct fs_want {
    struct fs_thread *cache;
    unsigned count;
    struct fs_ref ref; /* of the run; set on success */
    bool sealed;
    struct fs_slot *slot; /* the sealed one, handed out; set on success */
    struct fs_why why;    /* why a page could not be opened */
};

/* Serve it, by a new table if need be. 0, or -errno with a sentence as fs_table_make() has. Not
 * under the lock. */
FS_HIDDEN int fs_pool_serve(struct fs_want *w);

/* Give back up to `n` slots of a cache. Under the lock. */
FS_HIDDEN void fs_pool_empty(struct fs_thread *cache, unsigned n);

/* Give back a run, whose first entry is fs_freed, and a full cache's half with it. Not under the
 * lock. `cache` may be NULL. */
FS_HIDDEN void fs_pool_give(struct fs_ref ref, struct fs_thread *cache);

/* Free a sealed slot. 0, or -errno with *why, and nothing is changed: -EALREADY when it is free.
 * Not under the lock. */
FS_HIDDEN int fs_pool_give_sealed(struct fs_slot *slot, struct fs_why *why);

/* Seal every sealed table that has a slot in use for ever, and what its slots own. 0, or -errno
 * with *why; some may be sealed then. Not under the lock. */
FS_HIDDEN int fs_pool_end(fs_table_owned *owned, struct fs_why *why);

/* All counters but those of the caches. Under the lock. */
FS_HIDDEN void fs_pool_stats(struct fs_tramp_stats *out);

/* A cache's stores are in the order that a fork in between needs: see base/thread.h. */
static inline void *fs_cache_pop(struct fs_thread *t)
{
    unsigned n = t->count - 1;
    __atomic_store_n(&t->count, n, __ATOMIC_RELEASE);
    return t->slot[n];
}

static inline void fs_cache_push(struct fs_thread *t, void *slot)
{
    unsigned n = t->count;
    t->slot[n] = slot;
    __atomic_store_n(&t->count, n + 1, __ATOMIC_RELEASE);
}

#endif
