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
#include "tramp/seal.h"
#include "tramp/spare.h"

#include <pthread.h>
#include <string.h>

/* How many partly used tables a run is looked for in, before the emptiest and then a new one. */
#define RUN_TRIES 4

/* Plain tables, and sealed ones. */
static struct pool {
    struct fs_table *open, *last; /* with a free slot; empty ones last */
    struct fs_spare spare;        /* how many tables there are, and how many empty ones to keep */
} pools[2];
static bool keeps_none; /* of the empty ones: the library is being unloaded */
static bool forgets;    /* its book-keeping after the last table; the same */

static struct pool *pool_of(const struct fs_table *t)
{
    return &pools[t->sealed];
}

/* --- lists of tables, under the lock -------------------------------------------------------- */

static void list_remove(struct fs_table *t)
{
    struct pool *p = pool_of(t);
    if (t->prev_open)
        t->prev_open->next_open = t->next_open;
    else
        p->open = t->next_open;
    if (t->next_open)
        t->next_open->prev_open = t->prev_open;
    else
        p->last = t->prev_open;
    t->next_open = t->prev_open = NULL;
}

static void list_push_front(struct fs_table *t)
{
    struct pool *p = pool_of(t);
    t->prev_open = NULL;
    t->next_open = p->open;
    if (p->open)
        p->open->prev_open = t;
    else
        p->last = t;
    p->open = t;
}

static void list_push_back(struct fs_table *t)
{
    struct pool *p = pool_of(t);
    t->next_open = NULL;
    t->prev_open = p->last;
    if (p->last)
        p->last->next_open = t;
    else
        p->open = t;
    p->last = t;
}

/* --- bits, under the lock ------------------------------------------------------------------- */

/* The slots of bitmap word `w` get their entries before the first of them is handed out. Sealed
 * ones have theirs by now (try_sealed()). */
static void fill_word(struct fs_table *t, unsigned w)
{
    if (fs_bit_is_set(t->filled, w))
        return;
    if (fs_unlikely(t->sealed)) {
        fs_bit_set(t->filled, w);
        return;
    }
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
    pool_of(t)->spare.empty--;
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
    pool_of(t)->spare.empty++;
    list_remove(t);
    list_push_back(t);
}

static void close_superfluous(struct pool *p)
{
    while (keeps_none ? p->spare.empty : fs_spare_too_many(&p->spare)) {
        struct fs_table *t = p->last;
        list_remove(t);
        if (fs_table_close(t)) {
            list_push_back(t);
            return;
        }
        fs_spare_closed(&p->spare);
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
    struct fs_table *t = pools[0].open;
    int index = t ? find_run(t, count) : -1;
    for (unsigned tries = 0; index < 0 && t && tries < RUN_TRIES; tries++)
        if ((t = t->next_open))
            index = find_run(t, count);
    if (index < 0 && (t = pools[0].last))
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
    struct pool *pool = &pools[0];
    struct fs_table *t;
    if (!pool->open)
        return -ENOSPC;
    void **bottom = cache->slot, **p = bottom + FS_POOL_BATCH;
    while (p > bottom && (t = pool->open)) {
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

/* A sealed slot, handed out. Bits and lists are data that somebody may have written to; whether the
 * slot is free its own entry says. 0, -ENOSPC when there is none, or why its page stays shut. */
static int try_sealed(struct fs_want *want)
{
    struct fs_table *t = pools[1].open;
    static const struct fs_slot blank;
    int error = 0;
    if (!t)
        return -ENOSPC;
    unsigned w = (unsigned)__builtin_ctzll(t->summary);
    unsigned b = (unsigned)__builtin_ctzll(t->free[w]);
    struct fs_slot *page = fs_table_slot(t, w * FS_WORD_SLOTS), *slot = page + b;
    unsigned from = fs_table_usable(t, w) & 1 ? 0 : 1; /* not the header */
    if (!slot->entry)
        error = fs_seal_fill(page + from, FS_WORD_SLOTS - from, (void *)fs_freed, &want->why);
    if (!error && slot->entry != (void *)fs_freed)
        fs_die("ffi_static: the sealed closure at @ is in use, but the book-keeping says that it "
               "is free: somebody has written to it",
               (uintptr_t)slot, 0);
    if (error)
        return error;
    take_word(t, w, UINT64_C(1) << b); /* before: a fork in between loses a free slot, no more */
    fs_step();
    error = fs_seal_store(slot, &blank, (void *)fs_unprepared, &want->why);
    if (error)
        give_word(t, w, UINT64_C(1) << b);
    else
        want->slot = slot;
    return error;
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
    close_superfluous(&pools[0]);
}

/* A cut leaves the tables and their bits true (base/lock.h); the rest is made again from them. */
static void on_cut(void)
{
    fs_table_mend();
    fs_seal_mend();
    memset(pools, 0, sizeof pools);
    for (struct fs_table *t = fs_tables; t; t = t->next) {
        struct fs_spare *spare = &pool_of(t)->spare;
        spare->mapped += !fs_table_is_resident(t);
        if (t->sealed && (!fs_seal_is_listed(t->slots) || fs_seal_is_ended(t->slots)))
            continue;
        if (!fs_table_is_resident(t) && t->nfree == t->usable) {
            spare->empty++;
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
    if (!pools[0].spare.mapped && !pools[1].spare.mapped)
        fs_table_forget_all();
    fs_unlock();
}

/* Every table without a live slot goes; those with one stay for their callers, and go with it. */
static void on_unload(bool alone)
{
    fs_lock();
    keeps_none = true;
    forgets = alone;
    close_superfluous(&pools[0]);
    close_superfluous(&pools[1]);
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
        fs_spare_opened(&pool_of(t)->spare);
    list_push_front(t);
    return 0;
}

/* Under the lock. 0, or -ENOSPC when there has to be another table. */
static int try_to_serve(struct fs_want *w)
{
    if (fs_unlikely(w->sealed))
        return try_sealed(w);
    return w->cache ? fill_cache(w->cache) : alloc_run(w->count, &w->ref);
}

/* Under the lock. There was no table that could serve, and `fresh` is one. */
static int serve_from(struct fs_want *w, struct fs_table **fresh)
{
    int error = add_table(*fresh);
    if (error && error != -EALREADY)
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
        made = fs_table_make(w->sealed, &fresh);
        fs_lock();
    }
    if (w->cache || w->sealed)
        fs_spare_tick(&pools[w->sealed].spare);
    fs_unlock();
    if (fresh)
        fs_table_discard(fresh);
    if (error && error != -ENOSPC && w->why.text[0])
        return fs_fail(error, "no sealed closure: %s", w->why.text);
    if (error && error != -ENOSPC)
        return fs_fail(-ENOSYS,
                       "no memory for the registry of tables (is RLIMIT_AS, RLIMIT_DATA or "
                       "vm.max_map_count reached?)");
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
    fs_spare_tick(&pools[0].spare);
    if (cache && cache->count == FS_CACHE_SLOTS)
        fs_pool_empty(cache, FS_POOL_BATCH);
    else
        close_superfluous(&pools[0]);
    fs_unlock();
    bury();
    FS_CHECK_TABLES();
}

int fs_pool_give_sealed(struct fs_slot *slot, struct fs_why *why)
{
    fs_lock();
    int error = slot->entry == (void *)fs_freed ? -EALREADY : 0;
    if (!error)
        error = fs_seal_store(slot, NULL, (void *)fs_freed, why);
    struct fs_ref ref = fs_slot_ref(slot);
    if (!error && ref.table) {
        give_word(ref.table, ref.index / FS_WORD_SLOTS, UINT64_C(1) << ref.index % FS_WORD_SLOTS);
        fs_spare_tick(&pools[1].spare);
        close_superfluous(&pools[1]);
    }
    fs_unlock();
    bury();
    FS_CHECK_TABLES();
    return error;
}

int fs_pool_end(fs_table_owned *owned, struct fs_why *why)
{
    int error = 0;
    fs_lock();
    for (struct fs_table *t = fs_tables; t && !error; t = t->next) {
        if (!t->sealed || t->nfree == t->usable || fs_seal_is_ended(t->slots))
            continue;
        error = fs_table_end(t, owned, why);
        if (t->nfree && fs_seal_is_ended(t->slots))
            list_remove(t);
    }
    fs_unlock();
    return error;
}

void fs_pool_stats(struct fs_tramp_stats *out)
{
    *out = (struct fs_tramp_stats){0};
    for (struct fs_table *t = fs_tables; t; t = t->next) {
        out->slots += t->usable;
        out->live += t->usable - t->nfree;
        out->sealed += t->sealed ? t->usable - t->nfree : 0;
    }
    out->tables = pools[0].spare.mapped + pools[1].spare.mapped;
    out->empty_tables = pools[0].spare.empty + pools[1].spare.empty;
    out->maps = fs_table_maps;
    out->unmaps = fs_table_unmaps;
}
