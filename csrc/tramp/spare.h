/* SPDX-License-Identifier: MIT */
/* spare.h - how many empty tables are kept for the next wave
 *
 * Mapping a table again costs more than all else that its closures cost, so a program that goes up
 * and down must not pay for it each time; yet one that went up once must not hold on to the memory.
 * Three rules:
 *   - one empty table is kept, and half as many more as are in use;
 *   - mapping a table again after one was closed adds one to what is kept (a regret): from the
 *     second wave on, a program that comes back to its peak keeps all its tables;
 *   - regrets are forgotten. An epoch is as many trips to this lock as two full waves would make;
 *     of the empty tables that an epoch never touched, half are given up at its end.
 * A program that makes and frees nothing at all keeps what it has: there are no timers here.
 *
 * Under fs_lock().
 */
#ifndef FS_SPARE_H
#define FS_SPARE_H

#include "base/base.h"
#include "base/thread.h"
#include "arch.h"

/* Trips to the lock for filling and emptying one table once. */
#define FS_SPARE_WAVE (2 * FS_TABLE_SLOTS / (FS_CACHE_SLOTS / 2))

struct fs_spare {
    uint64_t mapped; /* tables that a provider mapped */
    uint64_t empty;  /* of those, without a slot in use */
    uint64_t closed; /* unmapped, and not yet needed again */
    uint64_t regrets;
    uint64_t ticks;  /* left of this epoch */
    uint64_t unused; /* the fewest empty tables of this epoch */
};

static inline bool fs_spare_too_many(const struct fs_spare *s)
{
    return s->empty > 1 + (s->mapped - s->empty) / 2 + s->regrets;
}

static inline void fs_spare_opened(struct fs_spare *s)
{
    s->mapped++;
    s->empty++;
    if (!s->closed)
        return;
    s->closed--;
    s->regrets++;
}

static inline void fs_spare_closed(struct fs_spare *s)
{
    s->mapped--;
    s->empty--;
    s->closed++;
}

/* One trip to the lock. After the last of an epoch there may be too many empty tables. */
static inline void fs_spare_tick(struct fs_spare *s)
{
    if (s->empty < s->unused)
        s->unused = s->empty;
    if (s->ticks && --s->ticks)
        return;
    uint64_t idle = s->unused < s->regrets ? s->unused : s->regrets;
    s->regrets -= (idle + 1) / 2;
    s->closed = 0;
    s->unused = s->empty;
    s->ticks = 2 * FS_SPARE_WAVE * (s->mapped + 1);
}

#endif
