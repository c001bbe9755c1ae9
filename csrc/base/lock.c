/* SPDX-License-Identifier: MIT */
/* lock.c - a lock that knows its owner, over a futex(2)
 *
 * Not a pthread mutex. A signal may arrive at any moment, and a fork handler must then know whether
 * this thread has the lock; a mutex names its owner a moment after it was taken. Here the lock *is*
 * the owner's thread pointer: to take it and to name its owner is one store.
 *
 * Nobody sleeps for longer than FS_LOCK_PATIENCE_MS before looking again who the owner is.
 */
#include "base/lock.h"
#include "base/thread.h"

#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/futex.h, which musl's gcc does not find. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

/* The seconds and nanoseconds that SYS_futex takes: struct timespec may have wider ones on 32-bit
 * systems, and x32's kernel has wider ones than C's long. */
#if defined __x86_64__ && defined __ILP32__
typedef long long futex_time;
#else
typedef long futex_time;
#endif

/* A thread pointer is even. The bit says that its fork() holds the lock. */
#define FORKING ((uintptr_t)1)

/* In slices of FS_LOCK_PATIENCE_MS. */
#define FOR_AN_OWNER 50   /* that a fork waits for */
#define FOR_A_DEAD_ONE 5  /* that was not copied, in a child without fork handlers */
#define FOR_EVER UINT_MAX /* for the lock */

static uintptr_t owner;   /* thread pointer, with FORKING; 0: free. Atomic */
static uint32_t sleepers; /* 1: somebody may be asleep. Atomic, a futex */
static pid_t home;        /* the process in which `owner` was last known to be alive. Atomic */
static unsigned forks;    /* of the owner, nested: each in a fork handler of the one before */
static bool resumes;      /* the owner came from its own fork handler: give back to the fork */
static bool orphans;      /* records of threads that this child does not have */
static int cancel_state;  /* the owner's, as it was before */

static const struct fs_fork_events *events; /* NULL before fs_lock_init() */

static void tell_of_child(void)
{
    orphans = false;
    if (events)
        events->child();
}

static bool exchange_owner(uintptr_t *seen, uintptr_t to)
{
    return __atomic_compare_exchange_n(&owner, seen, to, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Sleep until woken. False when nobody woke us for as long as patience lasts. */
static bool sleep_a_while(void)
{
    const futex_time patience[2] = {0, FS_LOCK_PATIENCE_MS * 1000000L};
    int kept = errno;
    bool woken = syscall(SYS_futex, &sleepers, FUTEX_WAIT_PRIVATE, 1, patience, NULL, 0) == 0 ||
                 errno != ETIMEDOUT;
    errno = kept;
    return woken;
}

static void wake_one(void)
{
    if (!__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) ||
        !__atomic_exchange_n(&sleepers, 0, __ATOMIC_SEQ_CST))
        return;
    int kept = errno;
    syscall(SYS_futex, &sleepers, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = kept;
}

static void pass_to(uintptr_t next)
{
    __atomic_store_n(&owner, next, __ATOMIC_SEQ_CST);
    wake_one();
}

/* This process is a child, and `last` owned the lock when it was made. */
static void inherit(uintptr_t last)
{
    __atomic_store_n(&home, getpid(), __ATOMIC_RELAXED);
    if (last && !(last & FORKING) && events)
        events->cut();
}

/* The owner has not changed for `slices` of patience. Can the lock be taken from it? Yes from a
 * fork, which may be waiting for this thread. Yes in a child from an owner that does not exist
 * there, where no fork handler has freed the lock: a program's fork does not run the handlers of
 * library copies in other namespaces (dlmopen(3)). */
static bool take_from(uintptr_t last, uintptr_t as, unsigned slices)
{
    bool is_child = __atomic_load_n(&home, __ATOMIC_RELAXED) != getpid();
    if (!(last & FORKING) && !(is_child && slices >= FOR_A_DEAD_ONE))
        return false;
    if (!exchange_owner(&last, as))
        return false;
    if (is_child) {
        inherit(last);
        orphans = true;
    }
    return true;
}

/* Make `as` the owner. False when it is not after so many slices of patience with one other. */
static FS_COLD bool wait_for(uintptr_t as, unsigned slices)
{
    uintptr_t last = 0;
    for (unsigned waited = 0;;) {
        uintptr_t seen = 0;
        if (exchange_owner(&seen, as))
            return true;
        if (seen != last)
            waited = 0;
        last = seen;
        __atomic_store_n(&sleepers, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&owner, __ATOMIC_SEQ_CST) != seen || sleep_a_while()) {
            __atomic_store_n(&sleepers, 1, __ATOMIC_SEQ_CST); /* others may still be asleep */
            waited = 0;
            continue;
        }
        waited++;
        if (__atomic_load_n(&owner, __ATOMIC_SEQ_CST) == seen && take_from(seen, as, waited))
            return true;
        if (waited >= slices)
            return false;
    }
}

/* True when the lock was this thread's already, for its fork. */
static FS_COLD bool lock_slowly(uintptr_t me, uintptr_t seen)
{
    if (seen == me)
        fs_die("ffi_static: called by a signal handler that interrupted this thread (@) inside "
               "ffi_static; its functions are not async-signal-safe",
               me, 0);
    if (seen == (me | FORKING) && exchange_owner(&seen, me))
        return true;
    wait_for(me, FOR_EVER);
    return false;
}

void fs_lock(void)
{
    uintptr_t me = fs_thread_pointer(), seen = 0;
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    bool resume = !exchange_owner(&seen, me) && lock_slowly(me, seen);
    resumes = resume;
    cancel_state = before;
}

void fs_unlock(void)
{
    int before = cancel_state;
    if (fs_unlikely(orphans))
        tell_of_child();
    pass_to(resumes ? fs_thread_pointer() | FORKING : 0);
    pthread_setcancelstate(before, &before);
}

static void before_fork(void)
{
    uintptr_t me = fs_thread_pointer(), seen = __atomic_load_n(&owner, __ATOMIC_RELAXED);
    if (seen == me)
        return;
    if (seen == (me | FORKING))
        forks++;
    else if (wait_for(me | FORKING, FOR_AN_OWNER))
        forks = 1;
}

static void after_fork(void)
{
    uintptr_t mine = fs_thread_pointer() | FORKING;
    if (__atomic_load_n(&owner, __ATOMIC_RELAXED) != mine || --forks)
        return;
    if (exchange_owner(&mine, 0))
        wake_one();
}

static void after_fork_in_child(void)
{
    uintptr_t me = fs_thread_pointer(), last = __atomic_load_n(&owner, __ATOMIC_RELAXED);
    if (last == me) { /* the code that the signal interrupted still holds the lock */
        __atomic_store_n(&home, getpid(), __ATOMIC_RELAXED);
        orphans = true;
        return;
    }
    bool inside_another = last == (me | FORKING) && --forks;
    __atomic_store_n(&sleepers, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&owner, me, __ATOMIC_SEQ_CST);
    inherit(last);
    tell_of_child();
    pass_to(inside_another ? me | FORKING : 0);
}

void fs_lock_init(const struct fs_fork_events *whom)
{
    events = whom;
    home = getpid();
    /* Fails only when memory is short. Then the program's forks are not told of, and the child may
     * have to wait until take_from() sees that the lock's owner is not there. */
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}
