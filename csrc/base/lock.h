/* SPDX-License-Identifier: MIT */
/* lock.h - the library's one lock, and what a fork does with it
 *
 * Everything slow (tables, bitmaps, the thread list) is under one lock; the fast path is the
 * thread's own cache and takes none.
 *
 * fork(). The forking thread takes the lock before the process is copied, so that the child finds
 * every structure whole. Three things can stand in the way, and none of them hangs the program:
 *   - The fork is in a signal handler that interrupted this thread under the lock. Then this thread
 *     owns the lock on both sides of the fork, and on both the interrupted code goes on under it
 *     when the handler returns.
 *   - Another thread holds a lock of the program that an older fork handler waits for, and needs
 *     this lock to go on. That thread waits FS_LOCK_PATIENCE_MS for the fork, and then takes the
 *     lock.
 *   - Another thread holds the lock and waits for something. The fork waits a second for that
 *     thread, and then goes on without the lock.
 * In the last two cases the child may find a structure half changed by a thread that the child does
 * not have, and mends the structure (struct fs_fork_events). Every change under the lock is a row
 * of single stores, with fs_step() between two whose order matters. So an unfinished change costs
 * the child some free slots or one mapping, and nothing else.
 *
 * Other libraries' fork handlers run before and after ours. They may call this library: the thread
 * that forks is let in while its fork holds the lock.
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

/* Earlier stores come before later ones, also for a process that is copied in between. Only the
 * compiler has to be told. A copy sees a thread's stores in the order of the program on every
 * processor, because the kernel makes a page read-only for the thread before copying it, and that
 * completes the thread's earlier stores. */
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
