/* SPDX-License-Identifier: MIT */
/* thread.c - thread records, and what fork, thread exit, exit and dlclose do to them
 *
 * Not in the allocator, because all four events are about which threads still exist, and all four
 * need the lock. This file does not know what a slot is; the room that does is told of the events
 * (struct fs_thread_events).
 */
#include "base/lock.h"
#include "base/thread.h"

#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/auxv.h>

struct fs_seat fs_seats[FS_SEATS];

static int state; /* NEW, STARTING, READY */
enum { NEW, STARTING, READY };
static pthread_key_t key;
static bool have_key;      /* atomic */
static bool out_of_memory; /* the last thread without a record; atomic */
static bool guest;         /* in a namespace that is not the program's */
static bool exiting;       /* exit() has begun, so the destructor is not a dlclose */
static bool unloaded;
/* In the order in which they registered; NULL: no record has ever had a slot. Atomic. */
static const struct fs_thread_events *listeners[3];
enum { LISTENERS = sizeof listeners / sizeof *listeners };

/* --- the records ----------------------------------------------------------------------------- */

/* Record 0 is static, because a process's first closure should not be its first malloc. Block k
 * holds the records 2^k to 2^(k+1) - 1. */
static struct fs_thread first;
static struct fs_thread *blocks[31];
static unsigned made; /* records there are; atomic, changed under the lock */

static struct fs_thread *record(unsigned number)
{
    if (number == 0)
        return &first;
    unsigned k = 31 - (unsigned)__builtin_clz(number);
    return blocks[k] + (number - (1u << k));
}

static unsigned records(void)
{
    return __atomic_load_n(&made, __ATOMIC_ACQUIRE);
}

/* Without the lock only for this thread's own. */
static struct fs_thread *find(uintptr_t owner)
{
    for (unsigned i = 0, n = records(); i < n; i++)
        if (__atomic_load_n(&record(i)->owner, __ATOMIC_RELAXED) == owner)
            return record(i);
    return NULL;
}

/* Another record, under the lock; NULL when a block of memory is needed first: *block, then. */
static struct fs_thread *add_record(unsigned *block)
{
    unsigned number = records();
    if (number) {
        *block = 31 - (unsigned)__builtin_clz(number);
        if (*block >= sizeof blocks / sizeof *blocks || !blocks[*block])
            return NULL;
    }
    record(number)->number = number;
    __atomic_store_n(&made, number + 1, __ATOMIC_RELEASE);
    return record(number);
}

/* Not under the lock: a malloc may have fork handlers and locks of its own. */
static bool add_block(unsigned k)
{
    if (unloaded || k >= sizeof blocks / sizeof *blocks)
        return false;
    struct fs_thread *more = calloc(1u << k, sizeof *more);
    if (!more)
        return false;
    fs_lock();
    bool taken = !blocks[k];
    if (taken)
        blocks[k] = more;
    fs_unlock();
    if (!taken)
        free(more);
    return true;
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

static const struct fs_thread_events *listener(int i)
{
    static const struct fs_thread_events nobody;
    const struct fs_thread_events *there = __atomic_load_n(&listeners[i], __ATOMIC_ACQUIRE);
    return there ? there : &nobody;
}

void fs_thread_listen(const struct fs_thread_events *events)
{
    int i = 0;
    while (i < LISTENERS - 1 && listeners[i] && listeners[i] != events)
        i++;
    FS_ASSERT(!listeners[i] || listeners[i] == events);
    __atomic_store_n(&listeners[i], events, __ATOMIC_RELEASE);
}

/* The record's thread is gone: give its slots back and let another thread have it. */
static void retire(struct fs_thread *t)
{
    struct fs_seat *seat = fs_seat_of(t->owner);
    if (__atomic_load_n(&seat->owner, __ATOMIC_RELAXED) == t->owner)
        __atomic_store_n(&seat->owner, 0, __ATOMIC_RELEASE);
    for (int i = LISTENERS - 1; i >= 0; i--)
        if (listener(i)->gone)
            listener(i)->gone(t);
    __atomic_store_n(&t->owner, 0, __ATOMIC_RELEASE);
}

/* This thread's record, found or made; NULL when memory is short. */
static struct fs_thread *own_record(bool seated)
{
    uintptr_t me = fs_thread_pointer();
    unsigned block = 0;
    struct fs_thread *t;
    do {
        fs_lock();
        t = find(me); /* for sentences only, or of a thread that ended untold */
        if (!t && ((t = find(0)) || (t = add_record(&block)))) {
            t->error[0] = '\0';
            __atomic_store_n(&t->owner, me, __ATOMIC_RELEASE);
        }
        if (t && seated)
            take_seat(t);
        fs_unlock();
    } while (!t && add_block(block));
    __atomic_store_n(&out_of_memory, !t, __ATOMIC_RELAXED);
    return t;
}

/* --- the key --------------------------------------------------------------------------------- */

/* The key's value: 0 none, 1 the end was told, 2 (n + 1) record n; else not ours. */
#define TOLD ((void *)1)

static void *value_of(const struct fs_thread *t)
{
    return (void *)(2 * ((uintptr_t)t->number + 1));
}

static struct fs_thread *own_by_value(const void *value)
{
    uintptr_t number = (uintptr_t)value / 2 - 1;
    if ((uintptr_t)value % 2 || number >= records())
        return NULL;
    struct fs_thread *t = record((unsigned)number);
    return __atomic_load_n(&t->owner, __ATOMIC_RELAXED) == fs_thread_pointer() ? t : NULL;
}

static bool key_exists(void)
{
    return __atomic_load_n(&have_key, __ATOMIC_ACQUIRE);
}

struct fs_thread *fs_self_unseated(void)
{
    return key_exists() ? own_by_value(pthread_getspecific(key)) : NULL;
}

/* In the first round this thread's record ends. Was it what `value` names? */
static __attribute__((noinline)) bool end_own_record(const void *value)
{
    fs_lock();
    struct fs_thread *t = find(fs_thread_pointer());
    bool is_ours = own_by_value(value) != NULL;
    if (t)
        retire(t);
    fs_unlock();
    return is_ours;
}

/* The value TOLD stays, so that the C library calls this again in each of its rounds, and a later
 * destructor that uses closures finds that this thread is ending. A value that names no record of
 * this thread belongs to another namespace's key.
 *
 * In the last round the ThreadSanitizer's own destructor may have run before: it has no place left
 * to write down that a function was entered. clang's no_sanitize_thread leaves that note in. */
#if __has_attribute(disable_sanitizer_instrumentation)
#define NOT_INSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define NOT_INSTRUMENTED __attribute__((no_sanitize_thread))
#endif
static NOT_INSTRUMENTED void at_thread_exit(void *value)
{
    if (value == TOLD || end_own_record(value))
        (void)pthread_setspecific(key, TOLD);
}

/* Let the C library tell us of this thread's end. False when it will not. */
static bool will_be_told(const struct fs_thread *t)
{
    const void *value = pthread_getspecific(key);
    return value == value_of(t) || (!value && pthread_setspecific(key, value_of(t)) == 0);
}

/* --- the threads ----------------------------------------------------------------------------- */

static void init(void);

FS_COLD struct fs_thread *fs_thread_get(void)
{
    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READY)
        init();
    if (!key_exists())
        return NULL;
    struct fs_thread *t = fs_self();
    if (!t) {
        const void *value = pthread_getspecific(key);
        if (value && !own_by_value(value)) /* told, or not ours */
            return NULL;
        t = own_record(true);
    }
    if (!t || will_be_told(t))
        return t;
    fs_lock();
    retire(t);
    fs_unlock();
    return NULL;
}

FS_COLD struct fs_thread *fs_thread_for_error(bool make)
{
    struct fs_thread *t = fs_self();
    if (!t)
        t = find(fs_thread_pointer());
    if (!t && make)
        t = fs_thread_get();
    return t || !make ? t : own_record(false);
}

bool fs_thread_out_of_memory(void)
{
    return __atomic_load_n(&out_of_memory, __ATOMIC_RELAXED);
}

size_t fs_thread_cached(void)
{
    size_t sum = 0;
    for (unsigned i = 0, n = records(); i < n; i++)
        sum += __atomic_load_n(&record(i)->count, __ATOMIC_RELAXED);
    return sum;
}

/* --- fork ------------------------------------------------------------------------------------ */

static void on_cut(void)
{
    for (int i = LISTENERS - 1; i >= 0; i--)
        if (listener(i)->cut)
            listener(i)->cut();
}

/* The child has one thread. The others' records are whole (see thread.h) and now nobody's. */
static void on_child(void)
{
    uintptr_t me = fs_thread_pointer();
    for (unsigned i = 0, n = records(); i < n; i++)
        if (record(i)->owner && record(i)->owner != me)
            retire(record(i));
}

static const struct fs_fork_events fork_events = {.cut = on_cut, .child = on_child};

/* --- the library's own life ------------------------------------------------------------------ */

/* At exit(), glibc runs a library's atexit handlers *before* its destructors; at dlclose(), *after*
 * them (from __cxa_finalize in crtbeginS.o's destructor, which is always the last). So the flag is
 * set when the destructor runs in an exiting process, whose other threads may still be calling us.
 * It is clear when the destructor runs in a dlclose(), when by contract no thread is inside. */
static void at_exit(void)
{
    exiting = true;
}

static int is_the_program(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    (void)data;
    return (uintptr_t)object->dlpi_phdr == getauxval(AT_PHDR);
}

/* A namespace of dlmopen() has a C library of its own, and the program is not in it. */
static bool is_guest(void)
{
    return getauxval(AT_PHDR) && !dl_iterate_phdr(is_the_program, NULL);
}

/* Once, from the constructor or from the first call before it. Not pthread_once(), which makes a
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
    guest = is_guest();
    have_key = !guest && pthread_key_create(&key, at_thread_exit) == 0;
    fs_lock_init(&fork_events);
    (void)atexit(at_exit); /* without memory it fails, and exit() is taken for a dlclose() */
    __atomic_store_n(&state, READY, __ATOMIC_RELEASE);
}

/* The key is deleted first, and at exit() as well: an older atexit handler may be about to
 * dlclose() this library, and the exit of a thread that used it would then call a function that is
 * unmapped. (glibc removes fork handlers itself, and musl unloads nothing.) After exit() has begun,
 * the rest stays for threads that still run.
 *
 * In a dlclose(), threads that used the library live on without it. Their slots are given back, or
 * tables would stay mapped. Destructors that run after this one, those of C++ objects and of other
 * libraries, find a library that works without caches. */
__attribute__((destructor)) static void unload(void)
{
    bool had_key = key_exists();
    __atomic_store_n(&have_key, false, __ATOMIC_RELEASE);
    if (had_key)
        pthread_key_delete(key);
    if (exiting)
        return;
    fs_lock();
    unloaded = true;
    for (unsigned i = 0, n = records(); i < n; i++)
        if (record(i)->owner)
            retire(record(i));
    if (!guest)
        __atomic_store_n(&made, 0, __ATOMIC_RELEASE);
    fs_unlock();
    /* A guest is not told whether this is its dlclose() or the program's end. */
    for (int i = LISTENERS - 1; i >= 0; i--)
        if (listener(i)->unload)
            listener(i)->unload(!guest);
    for (unsigned k = 0; !guest && k < sizeof blocks / sizeof *blocks; k++) {
        free(blocks[k]);
        blocks[k] = NULL;
    }
}
