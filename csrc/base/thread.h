/* SPDX-License-Identifier: MIT */
/* thread.h - one record per thread: its last error and its cached slots
 *
 * A record is made on a thread's first slow call and handed back when the thread ends or, in a
 * forked child, when the thread was not copied. Records are recycled, never returned to the heap
 * while the library is loaded, so a stale pointer is never wild.
 *
 * Only the owner touches `slot[]` and `count` while it lives. The owner's stores are ordered so
 * that a fork at any moment copies a usable record: at worst the one slot in flight is lost to
 * the child.
 *
 * A record names its owner by the thread pointer, which is unique among living threads. A pthread
 * key tells us of a thread's end. The key's value is a record's number, and only a hint: the record
 * must have this thread as its owner. The value may be somebody else's, because the C libraries of
 * several namespaces (dlmopen(3)) each count their keys from 0 and keep the values in one array per
 * thread.
 *
 * Threads without a cache: they allocate and free under the lock.
 *   - Those of a namespace that is not the program's: the key's value would overwrite one of the
 *     program's, and the program's threads would not tell us of their end.
 *   - A thread whose end was told: nobody would tell again.
 *   - Any, when no key or no memory is left.
 * A thread whose first use is in the last round of its key destructors (there are
 * PTHREAD_DESTRUCTOR_ITERATIONS) ends untold. Its record waits for the next thread with its thread
 * pointer, which is soon, because C libraries use stacks again.
 */
#ifndef FS_THREAD_H
#define FS_THREAD_H

#include "arch.h"
#include "base/base.h"

#define FS_CACHE_SLOTS 64
#define FS_ERROR_BYTES 1280
#define FS_THREAD_ABOVE 10

struct fs_thread {
    uintptr_t owner; /* its thread pointer; 0: nobody's. Atomic, changed under fs_lock */
    unsigned number; /* among all records */
    unsigned count;  /* slots cached in slot[0 .. count) */
    void *slot[FS_CACHE_SLOTS];
    char error[FS_ERROR_BYTES];
    void *above[FS_THREAD_ABOVE]; /* a room above keeps its own words here; NULL in a new record */
};

/* Finding one's record is on the fastest path, and the library has no thread-local variable: the
 * dynamic TLS model costs a call, and the static one needs room in a block that the dynamic loader
 * takes back only in reverse order, which a library opened and closed at will must not count on.
 * Instead a thread takes a seat, which its thread pointer chooses. A thread whose seat is taken
 * asks for the key's value. */
#define FS_SEATS 64

struct fs_seat {
    uintptr_t owner; /* a thread pointer; atomic. Only its owner may read `record` */
    struct fs_thread *record;
};

extern FS_HIDDEN struct fs_seat fs_seats[FS_SEATS];
FS_HIDDEN struct fs_thread *fs_self_unseated(void);

#ifndef FS_THREAD_POINTER /* arch.h has another where compilers lack the builtin */
#define FS_THREAD_POINTER() __builtin_thread_pointer()
#endif

static inline uintptr_t fs_thread_pointer(void)
{
    return (uintptr_t)FS_THREAD_POINTER();
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

/* The same, and a record is made where there is none. NULL: this thread is to have no cache. Takes
 * fs_lock. */
FS_HIDDEN struct fs_thread *fs_thread_get(void);

/* The record for this thread's sentences, also if the thread has no cache. With `make`, takes
 * fs_lock, and NULL means that memory is short. Without, NULL means that there is none. */
FS_HIDDEN struct fs_thread *fs_thread_for_error(bool make);

/* Has the last thread that needed a record found no memory for one? */
FS_HIDDEN bool fs_thread_out_of_memory(void);

/* What this room tells rooms above, of which the one that knows what slots are registers first,
 * before any record can hold a slot. The last to register is told first. NULL: need not be told.
 *   - `gone`, under fs_lock: the record's thread is gone. Gives back all its slots.
 *   - `cut`, under fs_lock, in a forked child: a thread that the child does not have was in the
 *     middle of a change (lock.h). Makes the structures whole.
 *   - `unload`, not under fs_lock: dlclose() unloads the library; the process does not exit. Every
 *     record is empty. Destructors of the same dlclose() may still allocate and free. `alone`:
 *     surely no other thread is inside the library. */
struct fs_thread_events {
    void (*gone)(struct fs_thread *t);
    void (*cut)(void);
    void (*unload)(bool alone);
};

/* Under fs_lock; `events` is for ever, and the same each time a room registers. */
FS_HIDDEN void fs_thread_listen(const struct fs_thread_events *events);

/* Sum of `count` over all records: exact for the caller's own, a glimpse of the others'. */
FS_HIDDEN size_t fs_thread_cached(void);

#endif
