/* SPDX-License-Identifier: MIT */
/* frames.c - pointers of frames that end as they should: last in, first out */
#include "nested.h"

#include <alloca.h>
#include <signal.h>
#include <sys/mman.h>

static NOINLINE void check_all(struct frame **outer, long depth)
{
    for (long i = 0; i < depth; i++)
        CHECK_FRAME(*outer[i]);
}

static NOINLINE void recurse(struct frame **outer, long depth, long most)
{
    struct frame f = {7 * depth, NULL};
    CREATED(f);
    outer[depth] = &f;
    check_all(outer, depth + 1);
    for (long turns = 0; depth < most && turns < 2; turns++)
        recurse(outer, depth + 1, most);
    check_all(outer, depth + 1);
    DELETED();
}

CASE(each_frame_has_its_own)
{
    struct frame *outer[16];
    for (int i = 0; i < 3; i++)
        recurse(outer, 0, 10);
}

static NOINLINE void several(void)
{
    enum { SEVERAL = 100 };
    struct {
        long number;
        void *pointer[SEVERAL];
    } f = {3, {NULL}};
    for (int i = 0; i < SEVERAL; i++)
        __gcc_nested_func_ptr_created(&f, (void *)(uintptr_t)nested_target, &f.pointer[i]);
    for (int i = SEVERAL; i-- > 0;) {
        CHECK_EQ(nested_call(f.pointer[i], 4), 7);
        CHECK_EQ(nested_call(f.pointer[0], 4), 7);
        DELETED();
    }
}

CASE(one_frame_has_several)
{
    struct frame around = {5, NULL};
    CREATED(around);
    several();
    several();
    CHECK_FRAME(around);
    DELETED();
}

/* What GCC makes of two functions of which it has inlined one into the other: two structs in one
 * frame of the stack, at whatever places. */
static NOINLINE void two_in_one(long turns)
{
    struct frame f[3] = {{1, NULL}, {2, NULL}, {3, NULL}};
    CREATED(f[1]);
    for (long i = 0; i < turns; i++) {
        struct frame *inner = &f[i % 2 * 2];
        inner->number = i;
        CREATED(*inner);
        CHECK_FRAME(*inner);
        CHECK_FRAME(f[1]);
        DELETED();
        CHECK_FRAME(f[1]);
    }
    DELETED();
}

CASE(one_frame_of_the_stack_is_two_of_the_source)
{
    struct frame around = {5, NULL};
    CREATED(around);
    two_in_one(100);
    CHECK_FRAME(around);
    DELETED();
}

static NOINLINE long sum(long a, long b, long c, long d, long e, long f, long g, long h, long i,
                         long j, struct frame *k)
{
    CHECK_FRAME(*k);
    return a + b + c + d + e + f + g + h + i + j;
}

/* Calls with arguments on the stack, between and around: the stack pointer is not the same at
 * each. */
static NOINLINE long with_pushes(long n)
{
    struct frame f = {n, NULL}, g = {n + 1, NULL};
    long s = sum(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, &(struct frame){0, (void *)(uintptr_t)labs});
    CREATED(f);
    s += sum(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, &f);
    CREATED(g);
    s += sum(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, &g);
    DELETED();
    s += sum(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, &f);
    CREATED(g);
    DELETED();
    s += sum(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, &f);
    DELETED();
    return s;
}

CASE(arguments_are_pushed_in_between)
{
    struct frame around = {5, NULL};
    CREATED(around);
    for (long i = 0; i < 20; i++)
        CHECK_EQ(with_pushes(i), 5 * (i + 45));
    CHECK_FRAME(around);
    DELETED();
}

static NOINLINE void with_alloca(size_t size, long depth)
{
    struct frame f = {(long)size, NULL};
    CREATED(f);
    char *more = alloca(size);
    memset(more, 0xa5, size);
    __asm__ volatile("" : : "r"(more) : "memory"); /* or the compiler leaves both out */
    CHECK_FRAME(f);
    if (depth)
        with_alloca(size + 16, depth - 1);
    CHECK_FRAME(f);
    DELETED();
}

CASE(alloca_moves_the_stack_pointer)
{
    struct frame around = {5, NULL};
    CREATED(around);
    for (size_t size = 16; size < 100000; size *= 3)
        with_alloca(size, 20);
    CHECK_FRAME(around);
    DELETED();
}

static NOINLINE long deep(const struct frame *outer, long depth)
{
    struct frame f = {depth, NULL};
    CREATED(f);
    CHECK_FRAME(f);
    CHECK_FRAME(*outer);
    long n = depth ? deep(&f, depth - 1) : 0;
    CHECK_FRAME(f);
    DELETED();
    return n + 1;
}

static void *run_deep(void *depth)
{
    struct frame f = {-1, NULL};
    CREATED(f);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(deep(&f, *(long *)depth), *(long *)depth + 1);
    DELETED();
    return NULL;
}

CASE(recursion_a_hundred_thousand_deep)
{
    long depth = (long)test_scaled(100000);
    nested_on_stack((size_t)256 << 20, run_deep, &depth);
}

/* Kept elsewhere than in the frame, so that the frames' own memory does not count. */
CASE(a_million_take_66_bytes_each)
{
    size_t n = test_scaled(1000000);
    struct frame f = {9, NULL};
    void **pointers = mmap(NULL, n * sizeof *pointers, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(pointers != MAP_FAILED);
    size_t before = nested_resident();
    for (size_t i = 0; i < n; i++)
        __gcc_nested_func_ptr_created(&f, (void *)(uintptr_t)nested_target, &pointers[i]);
    size_t each = (nested_resident() - before) / n;
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(nested_call(pointers[i], (long)i), (long)i + 9);
    for (size_t i = 0; i < n; i++)
        DELETED();
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    if (!test_under_valgrind() && n >= 1000000)
        CHECK(each <= 66, "%zu bytes each", each);
#endif
    printf("%zu bytes each\n", each);
}

CASE(errno_and_signal_mask_stay)
{
    struct frame f[600];
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    for (int i = 0; i < 600; i++) {
        errno = 4711;
        CREATED(f[i]);
        CHECK_EQ(errno, 4711);
    }
    for (int i = 0; i < 600; i++) {
        errno = 4711;
        DELETED();
        CHECK_EQ(errno, 4711);
    }
    sigprocmask(SIG_SETMASK, NULL, &now);
    for (int s = 1; s < 32; s++)
        CHECK_EQ(sigismember(&now, s), s == SIGUSR2);
}

/* The chain is the compiler's; nobody looks at it. */
CASE(the_chain_may_be_anything)
{
    static const uintptr_t chains[] = {0, 1, UINTPTR_MAX, UINTPTR_MAX / 2};
    void *pointer[4];
    for (int i = 0; i < 4; i++)
        __gcc_nested_func_ptr_created((void *)chains[i], (void *)(uintptr_t)nested_target,
                                      &pointer[i]);
    for (int i = 0; i < 4; i++)
        DELETED();
}
