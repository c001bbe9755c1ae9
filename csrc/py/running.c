/* SPDX-License-Identifier: MIT */
/* running.c - the lists of calls that run, without the GIL
 *
 * Fails when: there is no memory for a thread's list. The thread then has no way to run Python.
 */
#include "py/running.h"

#if FS_PY_NO_GIL

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

FS_PY_THREAD_LOCAL struct fs_py_calls *fs_py_calls;
static struct fs_py_calls *lists; /* the lock of the cells guards it */
static pthread_key_t key;         /* runs leave() */

void fs_py_calls_wait(struct fs_py_calls *calls)
{
    do
        sched_yield();
    while (__atomic_exchange_n(&calls->locked, 1, __ATOMIC_ACQUIRE));
}

/* The thread exits. One that was stopped in the middle of a call leaves no call behind. */
static void leave(void *list)
{
    struct fs_py_calls *calls = list;
    fs_py_cells_lock();
    fs_py_calls_lock(calls);
    calls->newest = NULL;
    fs_py_calls_unlock(calls);
    calls->taken = false;
    fs_py_cells_unlock();
    fs_py_calls = NULL; /* a destructor that runs later may call again */
}

bool fs_py_calls_make(void)
{
    struct fs_py_calls *calls;
    fs_py_cells_lock();
    for (calls = lists; calls && calls->taken; calls = calls->next)
        ;
    if (!calls) {
        calls = aligned_alloc(sizeof *calls, sizeof *calls);
        if (calls) {
            *calls = (struct fs_py_calls){.next = lists};
            lists = calls;
        }
    }
    if (calls)
        calls->taken = true;
    fs_py_cells_unlock();
    if (calls)
        pthread_setspecific(key, calls);
    fs_py_calls = calls;
    return calls != NULL;
}

static void keep(struct fs_py_running *r, PyObject *const used[FS_PY_KEPT])
{
    unsigned n = 0;
    for (unsigned i = 0; i < FS_PY_KEPT; i++)
        if (used[i]) {
            Py_INCREF(used[i]);
            r->kept[n++] = used[i];
        }
    while (n < FS_PY_KEPT)
        r->kept[n++] = NULL;
}

/* A list that is made after the look at `lists` belongs to a thread that finds no callback: it
 * takes the lock of the cells after this thread, and reads the cell after that. During finalization
 * no other thread runs Python, and the stack of one that was in a call may be gone. */
void fs_py_running_finish(struct fs_py_cell *cell, PyObject *const used[FS_PY_KEPT])
{
    void *ticket = fs_py_cell_ticket(cell);
    fs_py_store(&cell->callback, NULL);
    if (fs_py_finalizing())
        return;
    fs_py_cells_lock();
    struct fs_py_calls *first = lists;
    fs_py_cells_unlock();
    for (struct fs_py_calls *calls = first; calls; calls = calls->next) {
        fs_py_calls_lock(calls);
        for (struct fs_py_running *r = calls->newest; r; r = r->outer)
            if (r->ticket == ticket && !r->kept[0])
                keep(r, used);
        fs_py_calls_unlock(calls);
    }
}

void fs_py_running_drop(struct fs_py_running *r)
{
    int saved = errno;
    for (unsigned i = 0; i < FS_PY_KEPT; i++)
        Py_XDECREF(r->kept[i]);
    errno = saved;
}

void fs_py_running_in_child(void)
{
    for (struct fs_py_calls *calls = lists; calls; calls = calls->next)
        if (calls != fs_py_calls) {
            calls->newest = NULL;
            calls->locked = 0;
            calls->taken = false;
        }
}

int fs_py_running_init(void)
{
    return pthread_key_create(&key, leave);
}

#else

void fs_py_running_finish(struct fs_py_cell *cell, PyObject *const used[FS_PY_KEPT])
{
    (void)used;
    cell->callback = NULL;
}

void fs_py_running_in_child(void)
{
}

int fs_py_running_init(void)
{
    return 0;
}

#endif
