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

#define FS_CACHE_SLOTS 16
#define FS_ERROR_BYTES 1280

struct fs_thread {
    struct fs_thread *next; /* all records, under fs_lock; never unlinked */
    unsigned count;         /* slots cached in slot[0 .. count) */
    bool used;              /* a thread owns it; under fs_lock */
    bool heap;              /* from calloc, not from the static pool */
    void *slot[FS_CACHE_SLOTS];
    char error[FS_ERROR_BYTES];
};

/* Thread-local words are read on the fastest paths, so they are in the static TLS block: one
 * load instead of a call. There are two, 16 bytes in all, well within what the dynamic loader
 * keeps for libraries that are loaded later. */
#define FS_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* The calling thread's record, or NULL when it has none yet. */
extern FS_HIDDEN FS_THREAD_LOCAL struct fs_thread *fs_self;

/* The same, made if need be; NULL when memory is short. Takes fs_lock. */
FS_HIDDEN struct fs_thread *fs_thread_get(void);

/* Two things that this room asks of the one above, which defines them (tramp/tramp.c). Both are
 * called under fs_lock. The first gives back all slots of a record whose thread is gone. The
 * second follows when the library is unloaded by dlclose(), not when the process exits: every
 * record is empty by then. */
FS_HIDDEN void fs_on_thread_gone(struct fs_thread *t);
FS_HIDDEN void fs_on_unload(void);

/* Sum of `count` over all records: exact for the caller's own, a glimpse of the others'. */
FS_HIDDEN size_t fs_thread_cached(void);

#endif
