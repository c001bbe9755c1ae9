/* SPDX-License-Identifier: MIT */
/* process.c - threads, forks, and what cannot be done */
#include "nested.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "seccomp.h"

static struct nested_seen seen;

/* --- threads ------------------------------------------------------------------------------------
 */

static NOINLINE long tree(long depth, long number)
{
    struct frame f = {number, NULL};
    CREATED(f);
    long n = 1;
    for (long i = 0; depth && i < 2; i++)
        n += tree(depth - 1, number + i);
    CHECK_FRAME(f);
    DELETED();
    return n;
}

static void *plant(void *number)
{
    for (long i = 0; i < (long)test_scaled(100); i++)
        CHECK_EQ(tree(8, (long)(intptr_t)number + i), 511);
    return NULL;
}

CASE(eight_threads)
{
    pthread_t threads[8];
    for (long i = 0; i < 8; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, plant, (void *)(1000 * i)), 0);
    for (long i = 0; i < 8; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void *call_it(void *frame)
{
    CHECK_FRAME(*(struct frame *)frame);
    return NULL;
}

CASE(another_thread_calls)
{
    struct frame f = {5, NULL};
    pthread_t thread;
    CREATED(f);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, call_it, &f), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    DELETED();
}

static NOINLINE void exit_with_one(void)
{
    struct frame f = {5, NULL};
    CREATED(f);
    nested_see(&seen, f.pointer);
    CHECK_FRAME(f);
    pthread_exit(NULL);
}

static void *exit_inside(void *argument)
{
    exit_with_one();
    return argument;
}

CASE(threads_that_end_inside_a_frame_need_no_more)
{
    pthread_t thread;
    for (size_t i = 0; i < test_scaled(5000); i++) {
        CHECK_EQ(pthread_create(&thread, NULL, exit_inside, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(seen.count <= 256, "%zu different addresses", seen.count);
}

static pthread_key_t key;

static void at_the_end(void *rounds)
{
    struct frame f = {5, NULL};
    CREATED(f);
    CHECK_FRAME(f);
    tree(3, 10);
    DELETED();
    if ((intptr_t)rounds > 1)
        pthread_setspecific(key, (void *)((intptr_t)rounds - 1));
}

static void *end_slowly(void *argument)
{
    tree(3, 20);
    pthread_setspecific(key, (void *)4);
    return argument;
}

CASE(destructors_of_a_thread_make_some)
{
    pthread_t thread;
    CHECK_EQ(pthread_key_create(&key, at_the_end), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, end_slowly, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

/* --- fork ---------------------------------------------------------------------------------------
 */

static atomic_bool enough;

static void *plant_on(void *number)
{
    while (!enough)
        tree(6, (long)(intptr_t)number);
    return NULL;
}

CASE(a_thousand_forks_while_others_work)
{
    enum { OTHERS = 3 };
    pthread_t threads[OTHERS];
    struct frame f = {5, NULL};
    CREATED(f);
    for (long i = 0; i < OTHERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, plant_on, (void *)(1000 * i)), 0);
    for (size_t i = 0; i < test_scaled(1000); i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            CHECK_FRAME(f);
            CHECK_EQ(tree(4, 3), 31);
            DELETED();
            _exit(0);
        }
        test_wait(child);
        CHECK_FRAME(f);
    }
    enough = true;
    for (long i = 0; i < OTHERS; i++)
        pthread_join(threads[i], NULL);
    DELETED();
}

/* --- what cannot be done: each ends the process, and the test says how
 * ----------------------------- */

CASE_WITHOUT_AUDIT(deleted_of_nothing)
{
    DELETED();
}

static NOINLINE void delete_twice(void)
{
    struct frame f = {5, NULL};
    CREATED(f);
    DELETED();
    DELETED();
}

CASE_WITHOUT_AUDIT(deleted_twice)
{
    delete_twice();
}

static void *delete_in_vain(void *argument)
{
    DELETED();
    return argument;
}

CASE_WITHOUT_AUDIT(deleted_by_another_thread)
{
    struct frame f = {5, NULL};
    pthread_t thread;
    CREATED(f);
    pthread_create(&thread, NULL, delete_in_vain, NULL);
    pthread_join(thread, NULL);
}

CASE_WITHOUT_AUDIT(called_after_deleted)
{
    struct frame f = {5, NULL};
    CREATED(f);
    DELETED();
    printf("%p\n", f.pointer);
    fflush(stdout);
    CHECK_FRAME(f);
}

/* The system refuses whatever a provider may ask for. */
CASE_WITHOUT_AUDIT(out_of_trampolines)
{
    static const int calls[] = {SYS_mremap, SYS_openat, SYS_memfd_create};
    struct frame f[1000];
    seccomp_refuse(calls, 3, EPERM);
    for (int i = 0; i < 1000; i++)
        CREATED(f[i]);
}

CASE_WITHOUT_AUDIT(called_where_no_code_is)
{
    static char data[16];
    void *pointer;
    __gcc_nested_func_ptr_created(NULL, data, &pointer);
    nested_call(pointer, 1);
}

CASE_WITHOUT_AUDIT(called_where_null_is)
{
    void *pointer;
    __gcc_nested_func_ptr_created(NULL, NULL, &pointer);
    nested_call(pointer, 1);
}

/* --- where the pointer cannot be stored
 * -------------------------------------------------------------- */

static sigjmp_buf out;
static volatile int faults;

static void on_fault(int number)
{
    (void)number;
    faults++;
    siglongjmp(out, 1);
}

static NOINLINE void store_at(void *dst)
{
    struct frame f = {5, NULL};
    __gcc_nested_func_ptr_created(&f, (void *)(uintptr_t)nested_target, dst);
}

/* The fault is the caller's. A program that goes on after it has lost nothing. */
CASE(a_place_that_cannot_be_written_to)
{
    void *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *places[] = {read_only, (void *)(2 * sizeof(void *))};
    struct frame around = {5, NULL};
    struct sigaction action = {.sa_handler = on_fault};
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CREATED(around);
    for (volatile int i = 0; i < 200; i++)
        if (!sigsetjmp(out, 1))
            store_at(places[i % 2]);
    CHECK_EQ(faults, 200);
    CHECK_FRAME(around);
    tree(5, 7);
    CHECK_FRAME(around);
    DELETED();
}
