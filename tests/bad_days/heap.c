/* SPDX-License-Identifier: MIT */
/* heap.c - malloc has nothing more to give
 *
 * The program's own malloc and calloc stand before libc's, and fail when they are told to: each
 * allocation of the library in turn, then all of them. Nothing that fails half-way may leave
 * anything changed.
 */
#include "fs_test.h"
#include <pthread.h>
#include <stdatomic.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

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

void *malloc(size_t size)
{
    return denied() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return denied() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return denied() ? NULL : __libc_realloc(old, size);
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
