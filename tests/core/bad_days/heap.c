/* SPDX-License-Identifier: MIT */
/* heap.c - malloc has nothing more to give
 *
 * The program's own malloc and calloc stand before libc's, and fail when they are told to: each
 * allocation of the library in turn, then all of them. Nothing that fails half-way may leave
 * anything changed.
 */
#include "fs_test.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *p);

static atomic_long left = -1; /* allocations until they fail; negative: for ever */
static atomic_long failed;

static bool denied(void)
{
    if (atomic_load(&left) < 0)
        return false;
    if (atomic_load(&left) > 0) {
        atomic_fetch_sub(&left, 1);
        return false;
    }
    atomic_fetch_add(&failed, 1);
    errno = ENOMEM;
    return true;
}

static void (*_Atomic enter)(void), (*_Atomic leave)(void); /* around each, when set */

static void run(void (*_Atomic *hook)(void))
{
    void (*f)(void) = atomic_load(hook);
    if (f)
        f();
}

void *malloc(size_t size)
{
    run(&enter);
    void *p = denied() ? NULL : __libc_malloc(size);
    run(&leave);
    return p;
}

void *calloc(size_t n, size_t size)
{
    run(&enter);
    void *p = denied() ? NULL : __libc_calloc(n, size);
    run(&leave);
    return p;
}

void *realloc(void *old, size_t size)
{
    return denied() ? NULL : __libc_realloc(old, size);
}

void free(void *p)
{
    run(&enter);
    __libc_free(p);
    run(&leave);
}

CASE(no_heap_before_the_first)
{
    atomic_store(&left, 0);
    size_t have = test_make_many_small(many, MANY);
    CHECK(have >= 200); /* the resident table asks for none */
    printf("%zu closures; then: %s\n", have, have < MANY ? api.error() : "");
    atomic_store(&left, -1);
    for (size_t i = have; i < MANY; i++)
        CHECK(test_make_small(&many[i], (long)i));
    for (size_t i = 0; i < MANY; i++)
        test_call_small(&many[i]);
    test_free_many(many, MANY);
}

/* The n-th allocation fails, once and from then on, for every n that there is. */
CASE(each_allocation_of_a_table_fails_in_turn)
{
    size_t have = test_make_many_small(many, 300);
    for (long n = 0; n < 40; n++) {
        struct ffi_static_stats before = test_stats();
        atomic_store(&failed, 0);
        atomic_store(&left, n);
        while (have < MANY && test_make_small(&many[have], (long)have))
            have++;
        atomic_store(&left, -1);
        CHECK_EQ(api.check(), 0);
        for (size_t i = 0; i < have; i++)
            test_call_small(&many[i]);
        CHECK(test_stats().live >= before.live);
        if (!atomic_load(&failed))
            break;
    }
    test_free_many(many, have);
    CHECK_EQ(test_stats().live, 0);
}

static void first(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    *(ffi_sarg *)ret = *(int *)args[0] + (int)(intptr_t)data;
}

/* A signature too long for the slot needs memory: prep says so and the closure stays. */
CASE(a_long_signature_finds_no_heap)
{
    static ffi_type *types[200];
    ffi_cif cif;
    struct made made;
    for (int i = 0; i < 200; i++)
        types[i] = i % 3 ? &ffi_type_double : &ffi_type_sint;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 200, &ffi_type_sint, types), FFI_OK);
    CHECK(test_make_small(&made, 5));
    for (long n = 0; n < 10; n++) {
        atomic_store(&failed, 0);
        atomic_store(&left, n);
        int result = api.prep(made.closure, &cif, first, (void *)5, 0);
        atomic_store(&left, -1);
        if (!atomic_load(&failed)) {
            CHECK_EQ(result, 0);
            CHECK(n > 0); /* something was refused before */
            break;
        }
        CHECK_EQ(result, -ENOMEM);
        CHECK_HAS(api.error(), "memory");
        test_call_small(&made);
    }
    test_free(&made);
}

static void *use(void *data)
{
    struct made made[20];
    size_t have = test_make_many_small(made, 20);
    CHECK_EQ(have, 20);
    test_free_many(made, 20);
    return data;
}

static pthread_barrier_t barrier;

static void *use_together(void *data)
{
    struct made made[5];
    pthread_barrier_wait(&barrier);
    CHECK_EQ(test_make_many_small(made, 5), 5);
    pthread_barrier_wait(&barrier); /* all have their records, or do without */
    test_free_many(made, 5);
    return use(data);
}

/* New threads do without what a thread would have of its own. */
CASE(twenty_threads_without_a_heap)
{
    pthread_t threads[20];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 21), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_together, NULL), 0);
    atomic_store(&left, 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    atomic_store(&left, -1);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(test_stats().cached, 0);
    CHECK_EQ(api.check(), 0);
}

/* A malloc with a lock of its own and fork handlers that it registers at its first use, when the
 * library has long registered its own: in a fork, its lock is taken first. */
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stop;

static void lock_heap(void)
{
    pthread_mutex_lock(&heap_lock);
}

static void unlock_heap(void)
{
    pthread_mutex_unlock(&heap_lock);
}

/* Always more, so that memory for tables is asked for again and again. */
static void *makes_more(void *data)
{
    struct {
        void *run[4000];
        size_t have;
    } *mine = data;
    while (!atomic_load(&stop) && mine->have < sizeof mine->run / sizeof *mine->run) {
        mine->run[mine->have] = api.alloc(FFI_STATIC_MAX_SIZE, 0, NULL);
        CHECK(mine->run[mine->have++] != NULL);
        use(NULL);
        usleep(100);
    }
    for (size_t i = 0; i < mine->have; i++)
        CHECK_EQ(api.release(mine->run[i]), 0);
    return NULL;
}

CASE(forks_with_a_malloc_whose_fork_handlers_are_younger)
{
    static struct {
        void *run[4000];
        size_t have;
    } made[2];
    pthread_t threads[2];
    alarm(100);
    use(NULL);
    CHECK_EQ(pthread_atfork(lock_heap, unlock_heap, unlock_heap), 0);
    atomic_store(&enter, lock_heap);
    atomic_store(&leave, unlock_heap);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, makes_more, &made[i]), 0);
    for (size_t i = 0; i < test_scaled(300); i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            for (int k = 0; k < 20; k++)
                use(NULL);
            _exit(0);
        }
        test_wait(child);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(test_stats().live, 0);
}

/* Whatever happens in malloc, others can use the library meanwhile. */
static sem_t asked, answered;
static _Thread_local bool is_helper;

static void *helps(void *data)
{
    is_helper = true;
    for (;;) {
        sem_wait(&asked);
        if (atomic_load(&stop))
            return data;
        test_stats(); /* takes the lock */
        sem_post(&answered);
    }
}

static void ask_for_help(void)
{
    if (is_helper)
        return;
    sem_post(&asked);
    while (sem_wait(&answered) && errno == EINTR)
        continue;
}

enum { FEW = 6 }; /* the resident table is enough for them */

CASE(other_threads_use_the_library_while_a_thread_waits_for_memory_of_its_own)
{
    pthread_t helper, threads[FEW];
    alarm(60);
    CHECK_EQ(sem_init(&asked, 0, 0) | sem_init(&answered, 0, 0), 0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, FEW + 1), 0);
    CHECK_EQ(pthread_create(&helper, NULL, helps, NULL), 0);
    for (int i = 0; i < FEW; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_together, NULL), 0);
    atomic_store(&enter, ask_for_help);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < FEW; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    atomic_store(&enter, NULL);
    atomic_store(&stop, true);
    sem_post(&asked);
    CHECK_EQ(pthread_join(helper, NULL), 0);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(test_stats().cached, 0);
}
