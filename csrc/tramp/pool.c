/* SPDX-License-Identifier: MIT */
/* pool.c - free slots: the open tables, their bits, runs of slots; and when a table is made or goes
 *
 * Fails when: no provider makes a table, and none has a slot, or a run, that is free.
 */
#include "tramp/pool.h"

#include "base/error.h"
#include "base/lock.h"
#include "tramp/find.h"
#include "tramp/provider.h"
#include "tramp/spare.h"

#include <pthread.h>
#include <string.h>

/* How many partly used tables a run is looked for in, before the emptiest and then a new one. */
#define RUN_TRIES 4

static struct fs_table *open_tables; /* with a free slot; empty ones last */
static struct fs_table *open_last;
static struct fs_spare spare; /* how many tables there are, and how many empty ones to keep */
static bool keeps_none;       /* of the empty ones: the library is being unloaded */
static bool forgets;          /* its book-keeping after the last table; the same */

/* --- lists of tables, under the lock -------------------------------------------------------- */

static void list_remove(struct fs_table *t)
{
    if (t->prev_open)
        t->prev_open->next_open = t->next_open;
    else
        open_tables = t->next_open;
    if (t->next_open)
        t->next_open->prev_open = t->prev_open;
    else
        open_last = t->prev_open;
    t->next_open = t->prev_open = NULL;
}

static void list_push_front(struct fs_table *t)
{
    t->prev_open = NULL;
    t->next_open = open_tables;
    if (open_tables)
        open_tables->prev_open = t;
    else
        open_last = t;
    open_tables = t;
}

static void list_push_back(struct fs_table *t)
{
    t->next_open = NULL;
    t->prev_open = open_last;
    if (open_last)
        open_last->next_open = t;
    else
        open_tables = t;
    open_last = t;
}

/* --- bits, under the lock ------------------------------------------------------------------- */

/* The slots of bitmap word `w` get their entries before the first of them is handed out. */
static void fill_word(struct fs_table *t, unsigned w)
{
    if (fs_bit_is_set(t->filled, w))
        return;
    uint64_t usable = fs_table_usable(t, w);
    for (unsigned b = 0; b < FS_WORD_SLOTS; b++)
        if (usable >> b & 1)
            fs_table_slot(t, w * FS_WORD_SLOTS + b)->entry = (void *)fs_freed;
    fs_bit_set(t->filled, w);
}

static bool is_hole(const struct fs_table *t, unsigned index)
{
    return !(fs_table_usable(t, index / FS_WORD_SLOTS) >> index % FS_WORD_SLOTS & 1);
}

/* A table's first slots are about to be taken: it leaves the empty ones at the list's end. */
static void leave_empties(struct fs_table *t)
{
    if (fs_table_is_resident(t) || t->nfree != t->usable)
        return;
    spare.empty--;
    list_remove(t);
    list_push_front(t);
}

/* `bits` of word `w`, all of them free. */
static void take_word(struct fs_table *t, unsigned w, uint64_t bits)
{
    leave_empties(t);
    fill_word(t, w);
    fs_step();
    t->free[w] &= ~bits;
    if (!t->free[w])
        t->summary &= ~(UINT64_C(1) << w);
    t->nfree -= (unsigned)__builtin_popcountll(bits);
    if (!t->nfree)
        list_remove(t);
}

/* A run's slots: single ones, all but the first marked as inside. Holes in it are only marked. */
static void take_run(struct fs_table *t, unsigned index, unsigned count)
{
    for (unsigned i = index; i < index + count; i++) {
        if (!is_hole(t, i))
            take_word(t, i / FS_WORD_SLOTS, UINT64_C(1) << i % FS_WORD_SLOTS);
        if (i != index)
            fs_bit_set(t->inner, i);
    }
    __atomic_fetch_add(&t->ninner, count - 1, __ATOMIC_RELAXED);
}

/* Nobody uses this table any more. It waits at the end of the list, unless too many do. */
static void join_empties(struct fs_table *t)
{
    if (t->nfree != t->usable || fs_table_is_resident(t))
        return;
    spare.empty++;
    list_remove(t);
    list_push_back(t);
}

static void close_superfluous(void)
{
    while (keeps_none ? spare.empty : fs_spare_too_many(&spare)) {
        struct fs_table *t = open_last;
        list_remove(t);
        fs_spare_closed(&spare);
        fs_table_close(t);
    }
}

/* `bits` of word `w`, none of them free. Closes no table: the caller calls close_superfluous()
 * after the last word. */
static void give_word(struct fs_table *t, unsigned w, uint64_t bits)
{
    FS_ASSERT(!(t->free[w] & bits));
    if (!t->nfree)
        list_push_front(t);
    t->free[w] |= bits;
    t->summary |= UINT64_C(1) << w;
    t->nfree += (unsigned)__builtin_popcountll(bits);
    join_empties(t);
}

static void give_run(struct fs_table *t, unsigned index, unsigned count)
{
    for (unsigned i = index + 1; i < index + count; i++) {
        fs_table_slot(t, i)->entry = is_hole(t, i) ? NULL : (void *)fs_freed;
        fs_bit_clear(t->inner, i);
    }
    __atomic_fetch_sub(&t->ninner, count - 1, __ATOMIC_RELAXED);
    fs_step();
    for (unsigned i = index; i < index + count; i++)
        if (!is_hole(t, i))
            give_word(t, i / FS_WORD_SLOTS, UINT64_C(1) << i % FS_WORD_SLOTS);
}

/* First index of `count` slots in a row, or -1. Holes may lie inside, not at the start: it is only
 * their trampolines that are missing. A hole is free when the slot before it is, for a run that
 * holds a hole holds that one, too. */
static int find_run(const struct fs_table *t, unsigned count)
{
    unsigned have = 0;
    for (unsigned i = 0; i < t->nslots && count <= t->nslots; i++) {
        unsigned w = i / FS_WORD_SLOTS;
        if (i % FS_WORD_SLOTS == 0 && t->free[w] == 0) {
            have = 0;
            i += FS_WORD_SLOTS - 1;
            continue;
        }
        bool takes = t->free[w] >> i % FS_WORD_SLOTS & 1 || (have && is_hole(t, i));
        have = takes ? have + 1 : 0;
        if (have == count)
            return (int)(i + 1 - have);
    }
    return -1;
}

/* 0, or -ENOSPC when no table has so many slots in a row. */
static int alloc_run(unsigned count, struct fs_ref *ref)
{
    struct fs_table *t = open_tables;
    int index = t ? find_run(t, count) : -1;
    for (unsigned tries = 0; index < 0 && t && tries < RUN_TRIES; tries++)
        if ((t = t->next_open))
            index = find_run(t, count);
    if (index < 0 && (t = open_last))
        index = find_run(t, count);
    if (index < 0)
        return -ENOSPC;
    take_run(t, (unsigned)index, count);
    *ref = (struct fs_ref){t, (unsigned)index};
    return 0;
}

/* FS_POOL_BATCH single slots, or as many as there are, into an empty cache: lowest address on top.
 * 0, or -ENOSPC when there is none at all. This thread cannot fork meanwhile, so the order of
 * stores does not matter.
 */
static int fill_cache(struct fs_thread *cache)
{
    struct fs_table *t;
    if (!open_tables)
        return -ENOSPC;
    void **bottom = cache->slot, **p = bottom + FS_POOL_BATCH;
    while (p > bottom && (t = open_tables)) {
        unsigned w = (unsigned)__builtin_ctzll(t->summary);
        struct fs_slot *slots = fs_table_slot(t, w * FS_WORD_SLOTS);
        uint64_t left = t->free[w];
        for (; left && p > bottom; left &= left - 1) {
            *--p = slots + __builtin_ctzll(left);
            __builtin_prefetch(*p, 1);
        }
        take_word(t, w, t->free[w] & ~left);
    }
    unsigned n = (unsigned)(bottom + FS_POOL_BATCH - p);
    if (fs_unlikely(p > bottom))
        memmove(bottom, p, n * sizeof *p);
    __atomic_store_n(&cache->count, n, __ATOMIC_RELEASE);
    return 0;
}

/* --- in bulk ------------------------------------------------------------------------------- */

/* The slots are free in all but their bits. Most are neighbours, so bits are given a word at a
 * time. */
void fs_pool_empty(struct fs_thread *t, unsigned n)
{
    struct fs_table *table = NULL;
    unsigned w = 0;
    uint64_t bits = 0;
    for (; n && t->count; n--) {
        void *slot = fs_cache_pop(t);
        size_t at = table ? ((uintptr_t)slot - (uintptr_t)table->slots) / FS_SLOT_SIZE : SIZE_MAX;
        if (at / FS_WORD_SLOTS != w || !bits) {
            if (bits)
                give_word(table, w, bits);
            struct fs_ref ref = fs_slot_ref(slot);
            table = ref.table;
            at = ref.index;
            w = ref.index / FS_WORD_SLOTS;
            bits = 0;
        }
        bits |= UINT64_C(1) << at % FS_WORD_SLOTS;
    }
    if (bits)
        give_word(table, w, bits);
    close_superfluous();
}

/* A cut leaves the tables and their bits true (base/lock.h); the rest is made again from them. */
static void on_cut(void)
{
    fs_table_mend();
    open_tables = open_last = NULL;
    spare.mapped = spare.empty = spare.closed = 0;
    for (struct fs_table *t = fs_tables; t; t = t->next) {
        spare.mapped += !fs_table_is_resident(t);
        if (!fs_table_is_resident(t) && t->nfree == t->usable) {
            spare.empty++;
            list_push_back(t);
        } else if (t->nfree) {
            list_push_front(t);
        }
    }
}

/* Not under the lock: unmap the tables that were closed under it. When the library is being
 * unloaded and the last table is gone, the book-keeping goes, too. */
static void bury(void)
{
    fs_table_bury();
    if (fs_likely(!forgets))
        return;
    fs_lock();
    if (!spare.mapped)
        fs_table_forget_all();
    fs_unlock();
}

/* Every table without a live slot goes; those with one stay for their callers, and go with it. */
static void on_unload(bool alone)
{
    fs_lock();
    keeps_none = true;
    forgets = alone;
    close_superfluous();
    fs_unlock();
    bury();
}

static void on_thread_gone(struct fs_thread *t)
{
    fs_pool_empty(t, FS_CACHE_SLOTS);
}

static const struct fs_thread_events events = {
    .gone = on_thread_gone,
    .cut = on_cut,
    .unload = on_unload,
};

/* The first slot comes with the first table, so the events are registered before it. */
static int add_table(struct fs_table *t)
{
    fs_thread_listen(&events);
    fs_step();
    int error = fs_table_add(t);
    if (error)
        return error;
    if (!fs_table_is_resident(t))
        fs_spare_opened(&spare);
    list_push_front(t);
    return 0;
}

/* Under the lock. 0, or -ENOSPC when there has to be another table. */
static int try_to_serve(struct fs_want *w)
{
    return w->cache ? fill_cache(w->cache) : alloc_run(w->count, &w->ref);
}

/* Under the lock. There was no table that could serve, and `fresh` is one. */
static int serve_from(struct fs_want *w, struct fs_table **fresh)
{
    int error = add_table(*fresh);
    if (error == -ENOMEM)
        return error;
    *fresh = NULL; /* in the list, or, the resident one, there already */
    return try_to_serve(w);
}

/* The lock is not held while a table is made, because a file system may take any time. Meanwhile
 * other threads may free slots or add a table; then the new table is discarded. When the resident
 * table is too full for a run, the next table serves it. */
static int serve(struct fs_want *w)
{
    struct fs_table *fresh = NULL;
    int error, made = 0;
    fs_lock();
    while ((error = try_to_serve(w)) == -ENOSPC && !made) {
        if (fresh && (error = serve_from(w, &fresh)) != -ENOSPC)
            break;
        fs_unlock();
        made = fs_table_make(&fresh);
        fs_lock();
    }
    if (w->cache)
        fs_spare_tick(&spare);
    fs_unlock();
    if (fresh)
        fs_table_discard(fresh);
    if (error == -ENOMEM)
        return fs_fail(-ENOSYS, "no memory for the registry of tables (is RLIMIT_AS or "
                                "RLIMIT_DATA reached?)");
    return error == -ENOSPC ? made : error;
}

/* Cancellation waits: what is opened for a table is closed again. */
int fs_pool_serve(struct fs_want *w)
{
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    int error = serve(w);
    bury();
    FS_CHECK_TABLES();
    pthread_setcancelstate(cancel, NULL);
    return error;
}

void fs_pool_give(struct fs_ref ref, struct fs_thread *cache)
{
    struct fs_table *t = ref.table;
    unsigned count = 1;
    fs_lock();
    while (ref.index + count < t->nslots && fs_slot_is_inner(t, ref.index + count))
        count++;
    give_run(t, ref.index, count);
    fs_spare_tick(&spare);
    if (cache && cache->count == FS_CACHE_SLOTS)
        fs_pool_empty(cache, FS_POOL_BATCH);
    else
        close_superfluous();
    fs_unlock();
    bury();
    FS_CHECK_TABLES();
}

void fs_pool_stats(struct fs_tramp_stats *out)
{
    *out = (struct fs_tramp_stats){0};
    for (struct fs_table *t = fs_tables; t; t = t->next) {
        out->slots += t->usable;
        out->live += t->usable - t->nfree;
    }
    out->tables = spare.mapped;
    out->empty_tables = spare.empty;
    out->maps = fs_table_maps;
    out->unmaps = fs_table_unmaps;
}
