/* SPDX-License-Identifier: MIT */
/* lock.h - the library's one lock, and what a fork does with it
 *
 * Everything slow (tables, bitmaps, the thread list) is under one lock; the fast path is the
 * thread's own cache and takes none.
 *
 * fork(). The forking thread takes the lock before the process is copied, so that the child finds
 * every structure whole. Three things can stand in the way, and none of them hangs the program:
 *   - The fork is in a signal handler that interrupted this thread under the lock. The lock is
 *     owned by this thread then, on both sides of the fork, and the interrupted code goes on with
 *     it on both sides when the handler returns.
 *   - Another thread needs the lock before the fork can go on, because it holds a lock of the
 *     program that an older fork handler waits for. It waits FS_LOCK_PATIENCE_MS for the fork, and
 *     then takes the lock.
 *   - Another thread holds the lock and waits for something. The fork waits a second for it, and
 *     then goes on without.
 * In the last two cases the child may find a structure half changed by a thread that it does not
 * have. It mends them (struct fs_fork_events): every change under the lock is a row of single
 * stores, with fs_step() between two whose order matters, so that what was not finished costs the
 * child some free slots or one mapping, and nothing else.
 *
 * Other people's fork handlers run on both sides of ours. The thread that forks may come back here
 * while its fork holds the lock: it is let in.
 *
 * Cancellation. A thread is not cancelled while it holds the lock, whatever its cancellation state
 * and type: a pending cancellation acts at the thread's next cancellation point outside. So code
 * under the lock may call functions that are cancellation points.
 *
 * Signals. A signal handler that interrupted this thread under the lock must not come here; the
 * process ends with a line that says so. It may fork.
 *
 * Lock order: callers may hold any lock of theirs. Under fs_lock() nothing is called that could
 * come back here, wait for another thread, or allocate from the heap.
 */
#ifndef FS_LOCK_H
#define FS_LOCK_H

#include "base/base.h"

#define FS_LOCK_PATIENCE_MS 20

FS_HIDDEN void fs_lock(void);
FS_HIDDEN void fs_unlock(void);

/* What was stored before this is stored before what follows, also for a process that is copied in
 * between. A copy sees a thread's stores in the order of the program, on every processor: a page
 * is shut for the thread by the kernel, which completes its earlier stores. So only the compiler
 * has to be told. */
static inline void fs_step(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* What the lock calls in a forked child, under the lock, in this order. */
struct fs_fork_events {
    void (*cut)(void);   /* a thread that the child does not have was in the middle of a change */
    void (*child)(void); /* all other threads are gone */
};

/* Once, before the first fs_lock(). */
FS_HIDDEN void fs_lock_init(const struct fs_fork_events *events);

#endif
