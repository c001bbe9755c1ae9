/* SPDX-License-Identifier: MIT */
/* thread.h - one record per thread: its last error and its cached slots
 *
 * A record is made on a thread's first slow call and handed back when the thread ends (a pthread
 * key's destructor) or, in a forked child, when the thread was not copied. Records are recycled,
 * never returned to the heap while the library is loaded, so a stale pointer is never wild.
 *
 * Only the owner touches `slot[]` and `count` while it lives. The owner's stores are ordered so
 * that a fork at any moment copies a usable record: at worst the one slot in flight is lost to
 * the child.
 */
#ifndef FS_THREAD_H
#define FS_THREAD_H

#include "base/base.h"

#define FS_CACHE_SLOTS 64
#define FS_ERROR_BYTES 1280

struct fs_thread {
    struct fs_thread *next; /* all records, under fs_lock; never unlinked */
    unsigned count;         /* slots cached in slot[0 .. count) */
    bool used;              /* a thread owns it; under fs_lock */
    uintptr_t owner;        /* its thread pointer; under fs_lock */
    bool heap;              /* from calloc, not from the static pool */
    void *slot[FS_CACHE_SLOTS];
    char error[FS_ERROR_BYTES];
};

/* Finding one's record is on the fastest path, and the library has no thread-local variable: the
 * dynamic TLS model costs a call, and the static one needs room in a block that the dynamic loader
 * takes back only in reverse order, which a library opened and closed at will must not count on.
 * Instead a thread takes a seat, found by its thread pointer, which is unique among the living;
 * whoever finds the seat taken asks pthread_getspecific(). */
#define FS_SEATS 64

struct fs_seat {
    uintptr_t owner; /* a thread pointer; atomic. Only its owner may read `record` */
    struct fs_thread *record;
};

extern FS_HIDDEN struct fs_seat fs_seats[FS_SEATS];
FS_HIDDEN struct fs_thread *fs_self_unseated(void);

/* GCC has the builtin on every architecture of ours but Power (14 has not), where it is a register
 * that the ABI reserves. */
static inline uintptr_t fs_thread_pointer(void)
{
#ifdef __powerpc64__
    uintptr_t tp;
    __asm__("mr %0, 13" : "=r"(tp));
    return tp;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

static inline struct fs_seat *fs_seat_of(uintptr_t owner)
{
    return &fs_seats[(owner >> 6 ^ owner >> 12 ^ owner >> 23) % FS_SEATS];
}

/* The calling thread's record, or NULL when it has none yet. */
static inline struct fs_thread *fs_self(void)
{
    uintptr_t me = fs_thread_pointer();
    struct fs_seat *seat = fs_seat_of(me);
    if (fs_likely(__atomic_load_n(&seat->owner, __ATOMIC_RELAXED) == me))
        return seat->record;
    return fs_self_unseated();
}

/* The same, made if need be; NULL when memory is short. Takes fs_lock. */
FS_HIDDEN struct fs_thread *fs_thread_get(void);

/* Has a thread been left without a record for want of memory? */
FS_HIDDEN bool fs_thread_short(void);

/* Two things that this room asks of the one above, which defines them (tramp/tramp.c). Both are
 * called under fs_lock. The first gives back all slots of a record whose thread is gone. The
 * second follows when the library is unloaded by dlclose(), not when the process exits: every
 * record is empty by then. */
FS_HIDDEN void fs_on_thread_gone(struct fs_thread *t);
FS_HIDDEN void fs_on_unload(void);

/* Sum of `count` over all records: exact for the caller's own, a glimpse of the others'. */
FS_HIDDEN size_t fs_thread_cached(void);

#endif
