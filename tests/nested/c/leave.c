/* SPDX-License-Identifier: MIT */
/* leave.c - frames that end otherwise: longjmp(), coroutines that interleave or are given up */
#include "nested.h"

#include <alloca.h>
#include <setjmp.h>
#include <sys/mman.h>

static struct nested_seen seen;

/* --- longjmp ---------------------------------------------------------------------------------- */

static jmp_buf back;
static volatile bool leaves = true;

static NOINLINE void leave(long n)
{
    struct frame f = {n, NULL}, g = {n + 1, NULL};
    CREATED(f);
    CREATED(g);
    nested_see(&seen, f.pointer);
    nested_see(&seen, g.pointer);
    CHECK_FRAME(f);
    longjmp(back, 1);
}

CASE(two_hundred_thousand_longjmps_need_no_more)
{
    struct frame around = {5, NULL};
    CREATED(around);
    for (volatile long i = 0; i < (long)test_scaled(200000); i++)
        if (!setjmp(back))
            leave(i);
    CHECK_FRAME(around);
    CHECK(seen.count <= 16, "%zu different addresses", seen.count);
    DELETED();
}

static NOINLINE void leave_from(long depth, size_t size)
{
    struct frame f = {depth, NULL};
    memset(alloca(size), 0x5a, size);
    CREATED(f);
    nested_see(&seen, f.pointer);
    CHECK_FRAME(f);
    if (depth)
        leave_from(depth - 1, size);
    else if (leaves)
        longjmp(back, 1);
    DELETED();
}

/* Half a million frames, each time at other places. What a stack of 50 KiB has room for stays. */
CASE(longjmps_from_all_depths_need_no_more)
{
    struct frame around = {5, NULL};
    CREATED(around);
    for (volatile long i = 0; i < (long)test_scaled(20000); i++) {
        if (!setjmp(back))
            leave_from(i * 7919 % 50, 16 + (size_t)(i * 104729 % 1000));
        CHECK_FRAME(around);
    }
    CHECK(seen.count <= 4096, "%zu different addresses", seen.count);
    DELETED();
}

static NOINLINE void leave_inner(struct frame *outer)
{
    struct frame f = {8, NULL};
    CREATED(f);
    CHECK_FRAME(*outer);
    longjmp(back, 1);
}

static NOINLINE void caller_of_leave(struct frame *outer)
{
    struct frame f = {7, NULL};
    CREATED(f);
    leave_inner(outer);
}

static NOINLINE void goes_on(void)
{
    struct frame f = {6, NULL};
    CREATED(f);
    if (!setjmp(back))
        caller_of_leave(&f);
    CHECK_FRAME(f);
    DELETED();
}

CASE(frames_around_the_setjmp_live_on)
{
    struct frame around = {5, NULL};
    CREATED(around);
    for (int i = 0; i < 1000; i++) {
        goes_on();
        CHECK_FRAME(around);
    }
    DELETED();
}

static jmp_buf second_left;

/* Code that is inlined is one frame of the stack: `both` stands for a body around the other. */
static NOINLINE void second_or_both(bool both)
{
    struct frame f[2] = {{1, NULL}, {2, NULL}};
    if (both)
        CREATED(f[0]);
    CREATED(f[1]);
    if (!both)
        longjmp(second_left, 1);
    CHECK_FRAME(f[0]);
    CHECK_FRAME(f[1]);
    DELETED();
    CHECK_FRAME(f[0]);
    DELETED();
}

/* What was left behind is older than all that the frame has made since. */
CASE(a_second_pointer_takes_the_place_of_a_stale_one)
{
    struct frame around = {5, NULL};
    CREATED(around);
    if (!setjmp(second_left))
        second_or_both(false);
    second_or_both(true);
    CHECK_FRAME(around);
    DELETED();
}

/* --- coroutines ------------------------------------------------------------------------------- */

#ifndef __SANITIZE_THREAD__ /* which is not told of the stacks */
enum { STACK = 1 << 16 };

static char *new_stack(void)
{
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    return stack;
}

static void make_c(void *argument)
{
    struct frame *kept = argument, c = {300, NULL};
    CREATED(c);
    nested_yield(); /* C is made; A was deleted; B is called */
    CHECK_FRAME(c);
    CHECK_FRAME(*kept);
    DELETED();
}

static void make_a(void *argument)
{
    struct frame a = {100, NULL};
    CREATED(a);
    nested_yield(); /* A is made; go to B */
    CHECK_FRAME(a);
    DELETED();
    nested_yield(); /* A is deleted */
    make_c(argument);
}

static void make_b(void *argument)
{
    struct frame *b = argument;
    b->number = 200;
    CREATED(*b);
    nested_yield();
    CHECK_FRAME(*b);
    DELETED();
}

/* A is made on one stack, B on another, A deleted, C made: a counter instead of an order of stacks
 * would delete B for A and make C of it. */
CASE(the_one_of_another_stack_is_left_alone)
{
    static struct frame b;
    for (int swapped = 0; swapped < 2; swapped++) {
        char *stacks =
            mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(stacks != MAP_FAILED);
        struct nested_coroutine *one = nested_start(make_a, &b, stacks + swapped * STACK, STACK);
        struct nested_coroutine *two = nested_start(make_b, &b, stacks + !swapped * STACK, STACK);
        CHECK(nested_go_on(one) && nested_go_on(two));
        CHECK(nested_go_on(one));
        CHECK_FRAME(b);
        CHECK(nested_go_on(one));
        CHECK_FRAME(b);
        CHECK(!nested_go_on(one));
        CHECK_FRAME(b);
        CHECK(!nested_go_on(two));
        free(one);
        free(two);
    }
}

static unsigned dice(void)
{
    static unsigned state = 12345;
    state = state * 1103515245 + 12345;
    return state >> 16;
}

static NOINLINE void wander(long number, int depth)
{
    struct frame f = {number, NULL}, g = {number + 1, NULL};
    CREATED(f);
    CHECK_FRAME(f);
    if (dice() % 2)
        nested_yield();
    if (depth && dice() % 4)
        wander(number + 10, depth - 1);
    CREATED(g);
    if (dice() % 2)
        nested_yield();
    CHECK_FRAME(f);
    CHECK_FRAME(g);
    DELETED();
    CHECK_FRAME(f);
    if (depth && dice() % 2)
        wander(number + 20, depth - 1);
    CHECK_FRAME(f);
    DELETED();
}

static void wander_about(void *argument)
{
    for (int i = 0; i < 40; i++)
        wander((long)(intptr_t)argument + i, 6);
}

/* Some of the stacks lie in this frame itself, below it and above others. */
CASE(coroutines_interleave)
{
    enum { COROUTINES = 24, INSIDE = 4 };
    char *inside = alloca((size_t)INSIDE * STACK);
    struct frame around = {5, NULL}, last = {6, NULL};
    struct nested_coroutine *c[COROUTINES];
    CREATED(around);
    for (long i = 0; i < COROUTINES; i++) {
        char *stack = i < INSIDE ? inside + i * STACK : new_stack();
        c[i] = nested_start(wander_about, (void *)(1000 * i), stack, STACK);
    }
    for (int left = COROUTINES; left;) {
        unsigned i = dice() % COROUTINES;
        CREATED(last);
        if (c[i] && !nested_go_on(c[i])) {
            free(c[i]);
            c[i] = NULL;
            left--;
        }
        CHECK_FRAME(around);
        CHECK_FRAME(last);
        DELETED();
    }
    CHECK_FRAME(around);
    DELETED();
}

static NOINLINE void given_up(void *argument)
{
    struct frame f = {(long)(intptr_t)argument, NULL};
    CREATED(f);
    nested_see(&seen, f.pointer);
    nested_yield();
}

/* Their stacks are used again, as an allocator of stacks does. */
CASE(coroutines_that_are_given_up_need_no_more)
{
    struct frame around = {5, NULL};
    char *stack = new_stack();
    CREATED(around);
    for (long i = 0; i < 20000; i++) {
        struct nested_coroutine *c = nested_start(given_up, (void *)i, stack, STACK);
        CHECK(nested_go_on(c));
        free(c);
    }
    CHECK_FRAME(around);
    CHECK(seen.count <= 64, "%zu different addresses", seen.count);
    DELETED();
}

static void one_of_thousands(void *argument)
{
    struct frame f = {(long)(intptr_t)argument, NULL};
    CREATED(f);
    nested_yield();
    CHECK_FRAME(f);
    DELETED();
}

CASE(four_thousand_coroutines_are_alive)
{
    enum { ALIVE = 4000, SMALL = 32768 };
    size_t n = test_scaled(ALIVE) / 7 * 7 + 1; /* no multiple of 7 */
    static struct nested_coroutine *c[ALIVE + 8];
    char *stacks =
        mmap(NULL, n * SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stacks != MAP_FAILED);
    for (size_t i = 0; i < n; i++) {
        size_t at = i * 1009 % n; /* in an order that is not that of the addresses */
        c[i] = nested_start(one_of_thousands, (void *)i, stacks + at * SMALL, SMALL);
        CHECK(nested_go_on(c[i]));
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(!nested_go_on(c[i * 7 % n]));
        free(c[i * 7 % n]);
    }
}
#endif
