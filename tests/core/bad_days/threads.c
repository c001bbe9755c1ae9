/* SPDX-License-Identifier: MIT */
/* threads.c - eight threads allocate, call, hand over and free for as long as they are told
 *
 * $FS_TEST_SECONDS, 2 otherwise: `make test` runs it for ten under ThreadSanitizer, `make
 * test-tsan` for a minute. The time only says when to stop; every answer is checked.
 */
#include "fs_test.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

enum { THREADS = 8, SHELF = 512, OWN = 300 };

static atomic_bool stop;
static atomic_ulong calls, handed_over;

/* Closures that any thread may take away: made here, called there, freed elsewhere. */
static struct shelf {
    pthread_mutex_t lock;
    struct made made;
} shelves[SHELF];

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void visit_shelf(uint64_t *random)
{
    struct shelf *shelf = &shelves[next(random) % SHELF];
    pthread_mutex_lock(&shelf->lock);
    struct made made = shelf->made;
    shelf->made = (struct made){0};
    pthread_mutex_unlock(&shelf->lock);
    if (made.closure) {
        test_call(&made);
        atomic_fetch_add_explicit(&handed_over, 1, memory_order_relaxed);
        test_free(&made);
        return;
    }
    CHECK(test_make(&made, (long)(next(random) % 1000000)));
    pthread_mutex_lock(&shelf->lock);
    struct made there = shelf->made;
    shelf->made = made;
    pthread_mutex_unlock(&shelf->lock);
    if (there.closure)
        test_free(&there);
}

static void *work(void *data)
{
    static _Thread_local struct made own[OWN];
    uint64_t random = 0x9e3779b97f4a7c15u * ((uintptr_t)data + 1);
    unsigned long done = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct made *made = &own[next(&random) % OWN];
        switch (next(&random) % 8) {
        case 0:
        case 1:
        case 2:
            if (made->closure)
                test_free(made);
            else
                CHECK(test_make(made, (long)(next(&random) % 1000000)));
            break;
        case 3:
            visit_shelf(&random);
            break;
        case 4:
            if (made->closure) {
                CHECK(api.from_address(made->code) == made->closure);
                CHECK(api.address(made->closure) == made->code);
                CHECK(api.provider_of(made->code) != NULL);
            }
            break;
        case 5:
            if (next(&random) % 256 == 0) {
                test_stats();
                void *code;
                ffi_static_closure *run = api.alloc(FFI_STATIC_MAX_SIZE, 0, &code);
                CHECK(run != NULL);
                memset(run + 1, 0xa5, FFI_STATIC_MAX_SIZE - sizeof *run);
                CHECK_EQ(api.release(run), 0);
                CHECK_EQ(api.release((ffi_static_closure *)own), -EINVAL);
            }
            break;
        default:
            if (made->closure)
                test_call(made);
            done++;
        }
    }
    for (int i = 0; i < OWN; i++)
        if (own[i].closure)
            test_free(&own[i]);
    atomic_fetch_add(&calls, done);
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    struct timespec left = {.tv_sec = test_seconds(2)};
    while (nanosleep(&left, &left) && errno == EINTR)
        continue;
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

CASE(eight_threads_allocate_call_and_free)
{
    struct ffi_static_stats before = test_stats();
    for (int i = 0; i < SHELF; i++)
        CHECK_EQ(pthread_mutex_init(&shelves[i].lock, NULL), 0);
    run_threads(work);
    for (int i = 0; i < SHELF; i++)
        if (shelves[i].made.closure)
            test_free(&shelves[i].made);
    CHECK(atomic_load(&calls) > 0 && atomic_load(&handed_over) > 0);
    CHECK_EQ(test_stats().live, before.live);
    CHECK_EQ(api.check(), 0);
    printf("%lu calls, %lu handed over\n", atomic_load(&calls), atomic_load(&handed_over));
}

/* Tables appear and go while others allocate from them, look them up and check them. */
static void *waves(void *data)
{
    size_t n = 1000 + 700 * (size_t)(uintptr_t)data;
    struct made *made = calloc(n, sizeof *made);
    CHECK(made != NULL);
    while (!atomic_load(&stop)) {
        CHECK_EQ(test_make_many(made, n), n);
        for (size_t i = 0; i < n; i++)
            CHECK(api.from_address(made[i].code) == made[i].closure);
        if ((uintptr_t)data == 0)
            CHECK_EQ(api.check(), 0);
        test_free_many(made, n);
        atomic_fetch_add(&calls, n);
    }
    free(made);
    return NULL;
}

CASE(tables_come_and_go_under_eight_threads)
{
    struct ffi_static_stats before = test_stats();
    run_threads(waves);
    CHECK(atomic_load(&calls) > 0);
    CHECK_EQ(test_stats().live, before.live);
    CHECK_EQ(api.check(), 0);
}

/* Each thread's life is one closure long: what its cache held must come back. */
static void *short_life(void *data)
{
    struct made made[20];
    CHECK_EQ(test_make_many(made, 20), 20);
    test_free_many(made, 20);
    return data;
}

CASE(ten_thousand_short_threads)
{
    uint64_t slots = 0;
    for (size_t i = 0, n = test_scaled(10000); i < n; i += 4) {
        pthread_t threads[4];
        for (int k = 0; k < 4; k++)
            CHECK_EQ(pthread_create(&threads[k], NULL, short_life, NULL), 0);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(pthread_join(threads[k], NULL), 0);
        if (i == 0)
            slots = test_stats().slots;
    }
    CHECK_EQ(test_stats().slots, slots);
    CHECK_EQ(test_stats().cached, 0);
    CHECK_EQ(api.check(), 0);
}

/* Addresses of freed closures, whose table another thread may unmap at any moment: the lookup finds
 * nothing, or the new owner, and never touches unmapped memory. */
static _Atomic(void *) dead[2000];

static void *looks_up(void *data)
{
    for (size_t i = 0; !atomic_load(&stop); i++) {
        void *code = atomic_load(&dead[i % 2000]);
        if (!code)
            continue;
        api.from_address(code);
        api.provider_of(code);
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    }
    return data;
}

static void *makes_dead(void *data)
{
    size_t n = 9000;
    struct made *made = calloc(n, sizeof *made);
    CHECK(made != NULL);
    while (!atomic_load(&stop)) {
        CHECK_EQ(test_make_many(made, n), n);
        for (size_t i = 0; i < 2000; i++)
            atomic_store(&dead[i], made[n - 1 - i * 4].code);
        test_free_many(made, n);
        atomic_fetch_add_explicit(&handed_over, 1, memory_order_relaxed);
    }
    free(made);
    return data;
}

static void *dead_or_looking(void *data)
{
    return (uintptr_t)data % 4 ? looks_up(data) : makes_dead(data);
}

CASE(dead_addresses_are_looked_up_while_their_tables_go)
{
    run_threads(dead_or_looking);
    CHECK(atomic_load(&calls) > 0 && atomic_load(&handed_over) > 0);
    CHECK_EQ(api.check(), 0);
}

/* Calling is async-signal-safe as far as the handler is: also while this thread is inside the
 * allocator. */
static struct made in_signal[KINDS];
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    for (int i = 0; i < KINDS; i++)
        test_call(&in_signal[i]);
    signals++;
}

CASE(a_signal_handler_calls_while_its_thread_allocates)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 200}, {0, 200}};
    CHECK_EQ(test_make_many(in_signal, KINDS), KINDS);
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_PROF, &every, NULL), 0);
    while (signals < 100)
        test_free_many(many, test_make_many(many, 9000));
    CHECK_EQ(setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL), 0);
    test_free_many(in_signal, KINDS);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
}

/* Closures of a thread that are made and freed while it is ending, after the library's own
 * goodbye to it. */
static pthread_key_t late;

static void late_use(void *data)
{
    struct made made[30];
    CHECK_EQ(test_make_many(made, 30), 30);
    test_free_many(made, 30);
    if ((uintptr_t)data > 1)
        pthread_setspecific(late, (char *)data - 1);
}

static void *ends_late(void *rounds)
{
    short_life(NULL);
    CHECK_EQ(pthread_setspecific(late, rounds), 0);
    return NULL;
}

CASE(a_thread_uses_closures_while_it_ends)
{
    CHECK_EQ(pthread_key_create(&late, late_use), 0);
    for (uintptr_t rounds = 1; rounds <= PTHREAD_DESTRUCTOR_ITERATIONS; rounds++) {
        for (int i = 0; i < 200; i++) {
            pthread_t thread;
            CHECK_EQ(pthread_create(&thread, NULL, ends_late, (void *)rounds), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
        }
        CHECK_EQ(test_stats().cached, 0);
        CHECK_EQ(test_stats().live, 0);
    }
    CHECK_EQ(api.check(), 0);
}

/* Cancelled before it makes a closure: what opens a file is a cancellation point, the library is
 * none. The thread ends at the first of its own. */
static size_t made_by_it;

static void *is_to_be_cancelled(void *data)
{
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    made_by_it = test_make_many_small(many, MANY);
    CHECK(ffi_static_provider_probe("file", NULL, 0) <= 0);
    CHECK(ffi_static_provider_probe("memfd", NULL, 0) <= 0);
    pthread_testcancel();
    test_fail(__FILE__, __LINE__, "was not cancelled");
    return data;
}

CASE(a_thread_that_is_to_be_cancelled_makes_tables)
{
    alarm(120);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        void *result = NULL;
        size_t fds = test_open_fds(), cached = test_stats().cached;
        CHECK_EQ(pthread_create(&thread, NULL, is_to_be_cancelled, NULL), 0);
        CHECK_EQ(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK_EQ(made_by_it, MANY);
        CHECK_EQ(test_open_fds(), fds);
        CHECK_EQ(test_stats().live, MANY);
        CHECK_EQ(test_stats().cached, cached);
        for (size_t i = 0; i < MANY; i++)
            test_call_small(&many[i]);
        test_free_many(many, MANY);
    }
}

/* All need the same table at the same moment. Each may make one; one is kept. */
static pthread_barrier_t together;

static void *needs_a_table(void *data)
{
    struct made *made = data;
    pthread_barrier_wait(&together);
    CHECK_EQ(test_make_many_small(made, 100), 100);
    pthread_barrier_wait(&together);
    return data;
}

CASE(threads_that_need_a_table_at_once_keep_one)
{
    CHECK_EQ(pthread_barrier_init(&together, NULL, THREADS + 1), 0);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, needs_a_table, &many[100 * i]), 0);
        pthread_barrier_wait(&together);
        pthread_barrier_wait(&together);
        CHECK_EQ(test_stats().tables, 1);
        for (size_t i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < 100 * THREADS; i++)
            test_call_small(&many[i]);
        CHECK_EQ(api.check(), 0);
        test_free_many(many, 100 * THREADS);
    }
}

/* Who uses closures only in the last round is told nothing any more: what it leaves is found by the
 * next thread with its thread pointer. */
static void last_use(void *data)
{
    if ((uintptr_t)data > 1)
        pthread_setspecific(late, (char *)data - 1);
    else
        short_life(NULL);
}

static void *ends_with_its_only_use(void *rounds)
{
    CHECK_EQ(pthread_setspecific(late, rounds), 0);
    return NULL;
}

CASE(a_thread_uses_closures_only_while_it_ends)
{
    enum { AT_ONCE = 4, MOST_CACHED = 64 };
    CHECK_EQ(pthread_key_create(&late, last_use), 0);
    for (size_t i = 0, n = test_scaled(10000); i < n; i += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++)
            CHECK_EQ(pthread_create(&threads[k], NULL, ends_with_its_only_use,
                                    (void *)(uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS),
                     0);
        for (int k = 0; k < AT_ONCE; k++)
            CHECK_EQ(pthread_join(threads[k], NULL), 0);
        CHECK(test_stats().cached <= 4 * AT_ONCE * MOST_CACHED);
    }
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
}

/* A cancellation that is pending when the library opens, reads and writes for a new table. */
static size_t made_before_the_end;
static bool survived;

static void *makes_with_a_cancellation_pending(void *type)
{
    CHECK_EQ(pthread_setcanceltype((int)(intptr_t)type, NULL), 0);
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    if ((intptr_t)type == PTHREAD_CANCEL_DEFERRED)
        CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    for (made_before_the_end = 0; made_before_the_end < 600; made_before_the_end++)
        CHECK(test_make(&many[made_before_the_end], (long)made_before_the_end));
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    pthread_testcancel();
    survived = true;
    return NULL;
}

static void cancelled(int type)
{
    pthread_t thread;
    alarm(60);
    CHECK_EQ(
        pthread_create(&thread, NULL, makes_with_a_cancellation_pending, (void *)(intptr_t)type),
        0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(!survived);
    CHECK_EQ(made_before_the_end, 600);
    CHECK_EQ(test_stats().live, 600);
    test_free_many(many, 600);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
}

CASE(a_cancellation_waits_until_the_library_is_left)
{
    cancelled(PTHREAD_CANCEL_DEFERRED);
}

CASE(an_asynchronous_cancellation_that_is_disabled_stays_so)
{
    cancelled(PTHREAD_CANCEL_ASYNCHRONOUS);
}
