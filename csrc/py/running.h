/* SPDX-License-Identifier: MIT */
/* running.h - calls of callbacks that run, and what keeps the objects that they use alive
 *
 * Another thread may end a callback while C's call of it runs. With the GIL a call takes a
 * reference to the object that the callback belongs to. Without the GIL all threads that call one
 * callback would change that object's reference count, and then more threads are slower than one.
 * So a call takes no reference. It is noted in a list of its own thread. Who ends a callback looks
 * into the lists of all threads, and gives each noted call of it references to what the call uses.
 *
 * A list has a lock, which only its thread takes, and who ends a callback. The steps of a call:
 *
 *   fs_py_running_begin()   false: the callback has ended
 *   ... read what the call uses from the cell and from its object ...
 *   fs_py_running_seen()
 *   ... use it; Python may run ...
 *   fs_py_running_end()
 *
 * Between begin and seen the thread may not wait, and nothing may be freed. With the GIL, begin
 * only checks, and seen takes the reference.
 */
#ifndef FS_PY_RUNNING_H
#define FS_PY_RUNNING_H

#include "py/cell.h"

enum { FS_PY_KEPT = 3 }; /* objects that a call uses, at most */

/* Give up a reference that was held over a call. errno is what the call left. */
static inline void fs_py_release(PyObject *object)
{
    if (!FS_PY_NO_GIL && fs_likely(Py_REFCNT(object) > 1)) {
        Py_DECREF(object);
    } else {
        int saved = errno;
        Py_DECREF(object);
        errno = saved;
    }
}

/* A call that runs; on its stack. */
struct fs_py_running {
#if FS_PY_NO_GIL
    struct fs_py_running *outer; /* a call in the middle of which this one came */
    const struct fs_py_cell *cell;
    void *ticket;
    PyObject *kept[FS_PY_KEPT]; /* given to this call when the callback ended; or NULL */
#else
    PyObject *owner;
#endif
};

#if FS_PY_NO_GIL

/* The calls of one thread. Never freed; a thread that exits leaves its list to another one. */
struct fs_py_calls {
    uint32_t locked; /* 0 or 1, atomic */
    bool taken;      /* by a thread; the lock of the cells guards it */
    struct fs_py_running *newest;
    struct fs_py_calls *next;
} __attribute__((aligned(64)));

extern FS_HIDDEN FS_PY_THREAD_LOCAL struct fs_py_calls *fs_py_calls;

FS_HIDDEN void fs_py_calls_wait(struct fs_py_calls *calls);
FS_HIDDEN bool fs_py_calls_make(void);
FS_HIDDEN void fs_py_running_drop(struct fs_py_running *r);

static inline void fs_py_calls_lock(struct fs_py_calls *calls)
{
    if (fs_unlikely(__atomic_exchange_n(&calls->locked, 1, __ATOMIC_ACQUIRE)))
        fs_py_calls_wait(calls);
}

static inline void fs_py_calls_unlock(struct fs_py_calls *calls)
{
    __atomic_store_n(&calls->locked, 0, __ATOMIC_RELEASE);
}

/* Has this thread a list? False without memory. Before the first begin of a call. */
static inline bool fs_py_running_ready(void)
{
    return fs_likely(fs_py_calls != NULL) || fs_py_calls_make();
}

static inline bool fs_py_running_begin(struct fs_py_running *r, struct fs_py_cell *cell,
                                       void *ticket)
{
    struct fs_py_calls *calls = fs_py_calls;
    fs_py_calls_lock(calls);
    if (fs_unlikely(!fs_py_cell_valid(cell, ticket))) {
        fs_py_calls_unlock(calls);
        return false;
    }
    r->cell = cell;
    r->ticket = ticket;
    r->kept[0] = NULL;
    r->outer = calls->newest;
    calls->newest = r;
    return true;
}

static inline void fs_py_running_seen(struct fs_py_running *r, PyObject *owner)
{
    (void)r;
    (void)owner;
    fs_py_calls_unlock(fs_py_calls);
}

/* The callback's object; NULL: the callback has ended. Its object must be one that
 * fs_py_enable_try() has prepared. After fs_py_running_seen(). A new reference, with the GIL a
 * borrowed one. */
static inline PyObject *fs_py_running_owner(const struct fs_py_running *r)
{
    fs_py_calls_lock(fs_py_calls);
    PyObject *owner = fs_py_cell_valid(r->cell, r->ticket) ? fs_py_load(&r->cell->callback) : NULL;
    if (owner && !fs_py_try_incref(owner))
        owner = NULL;
    fs_py_calls_unlock(fs_py_calls);
    return owner;
}

/* errno is left as it is. */
static inline void fs_py_running_end(struct fs_py_running *r)
{
    struct fs_py_calls *calls = fs_py_calls;
    fs_py_calls_lock(calls);
    calls->newest = r->outer;
    fs_py_calls_unlock(calls);
    if (fs_unlikely(r->kept[0] != NULL))
        fs_py_running_drop(r);
}

#else

static inline bool fs_py_running_ready(void)
{
    return true;
}

static inline bool fs_py_running_begin(struct fs_py_running *r, struct fs_py_cell *cell,
                                       void *ticket)
{
    (void)r;
    return fs_py_cell_valid(cell, ticket);
}

static inline void fs_py_running_seen(struct fs_py_running *r, PyObject *owner)
{
    Py_INCREF(owner);
    r->owner = owner;
}

static inline PyObject *fs_py_running_owner(const struct fs_py_running *r)
{
    return r->owner;
}

static inline void fs_py_running_end(struct fs_py_running *r)
{
    fs_py_release(r->owner);
}

#endif

/* The callback in this cell ends. Its calls that run are given references to used[0], used[1], ...
 * (as far as they are not NULL), which the caller owns and gives up afterwards. Later calls find
 * that the callback has ended. */
FS_HIDDEN void fs_py_running_finish(struct fs_py_cell *cell, PyObject *const used[FS_PY_KEPT]);

/* For fork(): the child has only this thread's calls. No GIL needed; the cells are locked. */
FS_HIDDEN void fs_py_running_in_child(void);

/* Once for the process. 0 or an errno. */
FS_HIDDEN int fs_py_running_init(void);

#endif
