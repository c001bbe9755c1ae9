/* SPDX-License-Identifier: MIT */
/* fork.c - both sides of a fork own their closures, whatever was under way
 *
 * A child that hangs on a lock that another thread held is ended by alarm(), and fails by the
 * signal; no case measures a time.
 */
#include "at_fork.h"
#include "days.h"
#include "fs_test.h"
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void use_some(size_t n)
{
    struct made made[400];
    CHECK(n <= 400);
    CHECK_EQ(test_make_many(made, n), n);
    test_free_many(made, n);
}

CASE(before_the_first)
{
    pid_t child = day_forked();
    use_some(400);
    if (child == 0)
        day_child_done();
    test_wait(child);
}

CASE(with_a_closure_allocated_and_not_prepared)
{
    struct made made = {.key = 3};
    made.closure = api.alloc(sizeof(ffi_static_closure), 0, &made.code);
    CHECK(made.closure != NULL);
    pid_t child = day_forked();
    made.key = child ? 3 : 6;
    CHECK_EQ(api.prep(made.closure, test_cif(0), test_handler(0), (void *)made.key, 0), 0);
    test_call(&made);
    if (child == 0) {
        test_free(&made);
        day_child_done();
    }
    test_wait(child);
    test_call(&made);
    test_free(&made);
}

CASE(a_thousand_freed_in_the_child_do_nothing_to_the_parent)
{
    day_child_makes_its_own();
}

CASE(a_thousand_freed_in_the_parent_do_nothing_to_the_child)
{
    day_parent_makes_its_own();
}

CASE(new_ones_on_both_sides_do_not_meet)
{
    CHECK_EQ(test_make_many(many, 300), 300);
    pid_t child = day_forked();
    long mine = child ? 10000 : 50000; /* likely at the same addresses, with other answers */
    for (long i = 300; i < 9000; i++)
        CHECK(test_make(&many[i], mine + i));
    for (size_t i = 0; i < 9000; i++)
        test_call(&many[i]);
    test_free_many(many, 9000);
    if (child == 0)
        day_child_done();
    test_wait(child);
}

static pid_t child_of_handler;

static void forks(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    (void)data;
    child_of_handler = day_forked();
    use_some(300);
    *(ffi_sarg *)ret = *(int *)args[0] + 1;
}

CASE(inside_a_handler)
{
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), forks, NULL, 0), 0);
    CHECK_EQ(((int (*)(int))made.code)(6), 7); /* returns twice */
    test_free(&made);
    if (child_of_handler == 0)
        day_child_done();
    test_wait(child_of_handler);
}

CASE(five_generations)
{
    use_some(50);
    CHECK_EQ(test_make_many(many, 500), 500);
    pid_t child = -1;
    int depth = 0;
    while (depth < 5 && (child = day_forked()) == 0)
        depth++;
    for (size_t i = 0; i < 500; i++)
        test_call(&many[i]);
    use_some(400);
    if (child > 0)
        test_wait(child);
    test_free_many(many, 500);
    if (depth > 0)
        day_child_done();
}

CASE(five_hundred_times_while_four_threads_allocate)
{
    day_forks_while_threads_allocate(test_scaled(500));
}

/* A child that goes on as a threaded program does. */
CASE(the_child_starts_threads_of_its_own)
{
    use_some(400);
    pid_t child = day_forked();
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, day_churn, (void *)i), 0);
    while (atomic_load(&day_rounds) < 10)
        sched_yield();
    atomic_store(&day_stop, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    if (child == 0)
        day_child_done();
    test_wait(child);
}

/* One thread has slots of its own, made and freed again, while another forks. In the child it is
 * gone, and nothing that it had is lost: they are free slots again, cached by nobody. */
static pthread_barrier_t both;

static void *keeps_some(void *data)
{
    struct made made[100];
    CHECK_EQ(test_make_many_small(made, 100), 100);
    test_free_many(made, 100);
    pthread_barrier_wait(&both); /* now it has its cache */
    pthread_barrier_wait(&both); /* until the child was looked at */
    return data;
}

CASE(slots_cached_by_another_thread_are_free_in_the_child)
{
    pthread_t threads[3];
    CHECK_EQ(pthread_barrier_init(&both, NULL, 4), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, keeps_some, NULL), 0);
    pthread_barrier_wait(&both);
    struct ffi_static_stats before = test_stats();
    CHECK(before.cached >= 3); /* or nothing is shown */
    CHECK_EQ(before.live, 0);
    pid_t child = day_forked();
    if (child == 0) {
        struct ffi_static_stats now = test_stats();
        CHECK_EQ(now.cached, 0); /* this thread has none of its own */
        CHECK_EQ(now.live, 0);
        CHECK_EQ(now.slots, before.slots);
        size_t n = now.slots; /* all of them can be had, without another table */
        CHECK(n <= MANY);
        CHECK_EQ(test_make_many_small(many, n), n);
        CHECK_EQ(test_stats().maps, now.maps);
        CHECK_EQ(test_stats().live, n);
        test_free_many(many, n);
        day_child_done();
    }
    test_wait(child);
    CHECK_EQ(test_stats().cached, before.cached);
    pthread_barrier_wait(&both);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(test_stats().cached, 0);
}

enum { APPS = 600 }; /* more than a thread keeps for itself */
static struct made apps[APPS];
static unsigned prepared_forks, parents;

/* A large run, which no thread's cache holds, and enough small ones that a table is mapped. */
static void allocates(void)
{
    ffi_static_closure *large = api.alloc(FFI_STATIC_MAX_SIZE, 0, NULL);
    CHECK(large != NULL);
    CHECK_EQ(api.release(large), 0);
    for (long i = 0; i < APPS; i++)
        CHECK(test_make(&apps[i], i));
    prepared_forks++;
}

static void frees_in_the_parent(void)
{
    for (int i = 0; i < APPS; i++) {
        test_call(&apps[i]);
        test_free(&apps[i]);
    }
    parents++;
}

static void frees_in_the_child(void)
{
    alarm(60);
    for (int i = 0; i < APPS; i++) {
        test_call(&apps[i]);
        test_free(&apps[i]);
    }
    use_some(400);
}

static void fork_with_handlers(unsigned times)
{
    alarm(200); /* the parent hangs just as well */
    in_prepare = allocates;
    in_parent = frees_in_the_parent;
    in_child = frees_in_the_child;
    for (unsigned i = 0; i < times; i++) {
        pid_t child = day_forked();
        if (child == 0) {
            in_prepare = in_parent = in_child = NULL;
            use_some(400);
            day_child_done();
        }
        test_wait(child);
    }
    in_prepare = in_parent = in_child = NULL;
    CHECK_EQ(prepared_forks, times);
    CHECK_EQ(parents, times);
    CHECK_EQ(api.check(), 0);
}

CASE(handlers_of_the_program_make_and_free)
{
    fork_with_handlers(3);
    CHECK_EQ(test_stats().live, 0);
}

CASE(handlers_of_the_program_make_and_free_while_four_threads_do)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, day_churn, (void *)i), 0);
    while (atomic_load(&day_rounds) < 8)
        sched_yield();
    fork_with_handlers((unsigned)test_scaled(50));
    atomic_store(&day_stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(test_stats().live, 0);
}

static void *unwinds(void *data)
{
    void *frames[8];
    while (!atomic_load(&day_stop)) {
        CHECK(backtrace(frames, 8) > 1);
        atomic_fetch_add(&day_rounds, 1);
    }
    return data;
}

/* Whatever the library tells an unwinder about its tables, which has a lock of its own: a child
 * forked while another thread held that must still be able to map tables, and to unwind. */
static void while_threads_unwind(bool child_unwinds)
{
    pthread_t threads[4];
    void *frames[8];
    CHECK_EQ(test_make_many(many, 1000), 1000);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, unwinds, NULL), 0);
    while (atomic_load(&day_rounds) < 100)
        sched_yield();
    for (size_t i = 0; i < test_scaled(300); i++) {
        pid_t child = day_forked();
        if (child == 0) {
            for (long k = 1000; k < 10000 && !child_unwinds; k++) /* a new table at least */
                CHECK(test_make_small(&many[k], k));
            CHECK(!child_unwinds || backtrace(frames, 8) > 1);
            _exit(0);
        }
        test_wait(child);
    }
    atomic_store(&day_stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    test_free_many(many, 1000);
}

CASE(while_four_threads_unwind)
{
    while_threads_unwind(false);
}

CASE(while_four_threads_unwind_and_the_child_unwinds)
{
    while_threads_unwind(true);
}
