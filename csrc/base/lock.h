/* SPDX-License-Identifier: MIT */
/* lock.h - the library's one lock, and what a fork does with it
 *
 * Everything slow (tables, bitmaps, the thread list) is under one mutex; the fast path is the
 * thread's own cache and takes none. fork() holds the lock while it copies the process, so that
 * the child finds every structure whole whichever thread forked.
 *
 * Other people's fork handlers run on both sides of ours, so the thread that forks may come back
 * here while its fork holds the lock: it passes.
 *
 * A thread is not cancelled while it holds the lock, whatever its cancellation state and type: a
 * pending cancellation acts at the thread's next cancellation point outside. So code under the lock
 * may call functions that are cancellation points.
 *
 * Lock order: callers may hold any lock of theirs. Under fs_lock() nothing is called that could
 * come back here or take the dynamic loader's lock.
 */
#ifndef FS_LOCK_H
#define FS_LOCK_H

#include "base/base.h"

FS_HIDDEN void fs_lock(void);
FS_HIDDEN void fs_unlock(void);

#endif
