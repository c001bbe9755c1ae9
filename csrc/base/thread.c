/* SPDX-License-Identifier: MIT */
/* thread.c - thread records, and what fork, thread exit, exit and dlclose do to them
 *
 * Why here and not in the allocator: all four events are about *who still exists*, and all four
 * need the lock. What a slot is, this file does not know; the room above says how to empty one.
 */
#include "base/lock.h"
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* The first thread's record: a process's first closure should not be its first malloc. */
#define POOL 1

struct fs_seat fs_seats[FS_SEATS];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int state; /* NEW, STARTING, READY */
enum { NEW, STARTING, READY };
static pthread_key_t key;
static bool have_key;
static bool is_short; /* atomic */
static bool exiting;  /* exit() has begun, so the destructor is not a dlclose */
static struct fs_thread pool[POOL];
static struct fs_thread *all; /* under the mutex */

static uintptr_t
    forking; /* the thread pointer of whoever is in fork() and holds the lock; atomic */

static bool is_forking(void)
{
    return __atomic_load_n(&forking, __ATOMIC_RELAXED) == fs_thread_pointer();
}

static int cancel_state; /* of the thread that holds the mutex, as it was before */

/* Cancellation waits for the unlock: a thread that ended in an open() would take the lock along. */
void fs_lock(void)
{
    int before;
    if (is_forking())
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_mutex_lock(&mutex);
    cancel_state = before;
}

void fs_unlock(void)
{
    if (is_forking())
        return;
    int before = cancel_state;
    pthread_mutex_unlock(&mutex);
    pthread_setcancelstate(before, &before);
}

static void at_fork(void)
{
    pthread_mutex_lock(&mutex);
    __atomic_store_n(&forking, fs_thread_pointer(), __ATOMIC_RELAXED);
}

static void after_fork(void)
{
    __atomic_store_n(&forking, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex);
}

/* The record's thread is gone: give its slots back and let another thread have it. */
static void retire(struct fs_thread *t)
{
    fs_on_thread_gone(t);
    t->used = false;
}

static void leave_seat(uintptr_t owner)
{
    struct fs_seat *seat = fs_seat_of(owner);
    if (__atomic_load_n(&seat->owner, __ATOMIC_RELAXED) == owner)
        __atomic_store_n(&seat->owner, 0, __ATOMIC_RELEASE);
}

static void at_thread_exit(void *record)
{
    struct fs_thread *t = record;
    fs_lock();
    leave_seat(t->owner);
    retire(t);
    fs_unlock();
}

struct fs_thread *fs_self_unseated(void)
{
    return have_key ? pthread_getspecific(key) : NULL;
}

/* The child has one thread. The others' records are whole (see thread.h) and now nobody's. */
static void at_fork_child(void)
{
    struct fs_thread *me = fs_self();
    for (struct fs_thread *t = all; t; t = t->next)
        if (t->used && t != me) {
            leave_seat(t->owner);
            retire(t);
        }
    after_fork();
}

/* glibc runs a library's atexit handlers *before* its destructors at exit(), and *after* them at
 * dlclose() (from __cxa_finalize in crtbeginS.o's destructor, which is always the last). So the
 * flag is set when the destructor runs in an exiting process, whose other threads may still be
 * calling us, and clear when it runs in a dlclose(), when by contract no thread is inside. */
static void at_exit(void)
{
    exiting = true;
}

/* Once, from the constructor or from whoever comes before it. Not pthread_once(), which makes a
 * system call at its end: the first closure of a process should make none. */
__attribute__((constructor)) static void init(void)
{
    int expected = NEW;
    if (!__atomic_compare_exchange_n(&state, &expected, STARTING, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_ACQUIRE)) {
        while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READY)
            sched_yield();
        return;
    }
    have_key = pthread_key_create(&key, at_thread_exit) == 0;
    /* Both can only fail for want of memory; then fork or exit is as unsafe as without us. */
    (void)pthread_atfork(at_fork, after_fork, at_fork_child);
    (void)atexit(at_exit);
    __atomic_store_n(&state, READY, __ATOMIC_RELEASE);
}

/* Under the lock. */
static struct fs_thread *take_record(void)
{
    for (struct fs_thread *t = all; t; t = t->next)
        if (!t->used)
            return t;
    static unsigned taken;
    struct fs_thread *t = taken < POOL ? &pool[taken++] : calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->heap = t < pool || t >= pool + POOL;
    t->next = all;
    all = t;
    return t;
}

/* Under the lock. Seats are never taken from the living. */
static void take_seat(struct fs_thread *t)
{
    struct fs_seat *seat = fs_seat_of(t->owner);
    if (__atomic_load_n(&seat->owner, __ATOMIC_RELAXED))
        return;
    seat->record = t;
    __atomic_store_n(&seat->owner, t->owner, __ATOMIC_RELEASE);
}

FS_COLD struct fs_thread *fs_thread_get(void)
{
    struct fs_thread *t = fs_self();
    if (t)
        return t;
    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READY)
        init();
    fs_lock();
    t = take_record();
    /* Without the key nobody would empty the record at the thread's end: do without. */
    if (t && (!have_key || pthread_setspecific(key, t) != 0))
        t = NULL;
    __atomic_store_n(&is_short, !t, __ATOMIC_RELAXED);
    if (t) {
        t->used = true;
        t->owner = fs_thread_pointer();
        t->error[0] = '\0';
        take_seat(t);
    }
    fs_unlock();
    return t;
}

bool fs_thread_short(void)
{
    return __atomic_load_n(&is_short, __ATOMIC_RELAXED);
}

size_t fs_thread_cached(void)
{
    size_t sum = 0;
    for (struct fs_thread *t = all; t; t = t->next)
        sum += __atomic_load_n(&t->count, __ATOMIC_RELAXED);
    return sum;
}

/* dlclose(): threads that used the library live on without it. Their key must go, or their exit
 * would jump into the hole; their slots must come back, or tables would stay mapped. */
__attribute__((destructor)) static void unload(void)
{
    if (exiting)
        return;
    if (have_key)
        pthread_key_delete(key);
    have_key = false;
    fs_lock();
    for (struct fs_thread *t = all; t; t = t->next)
        retire(t);
    fs_on_unload();
    struct fs_thread *t = all;
    all = NULL;
    while (t) {
        struct fs_thread *next = t->next;
        if (t->heap)
            free(t);
        t = next;
    }
    fs_unlock();
}
