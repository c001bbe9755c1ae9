/* SPDX-License-Identifier: MIT */
/* signals.c - handlers that make pointers themselves, on a stack of their own, at any moment */
#include "nested.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_long handled, wrong;

static NOINLINE void in_a_handler(int depth)
{
    struct frame f = {77, NULL}, g = {88, NULL};
    CREATED(f);
    CREATED(g);
    if (depth)
        in_a_handler(depth - 1);
    wrong += nested_call(f.pointer, 1) != 78;
    wrong += nested_call(g.pointer, 1) != 89;
    DELETED();
    DELETED();
}

static void on_signal(int number)
{
    (void)number;
    in_a_handler(3);
    handled++;
}

static void handle(int number, void (*handler)(int), int flags)
{
    static char stack[1 << 17];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags | SA_ONSTACK};
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    CHECK_EQ(sigaction(number, &action, NULL), 0);
}

static atomic_bool enough;

/* One at a time, after pauses of different lengths. */
static void *bombard(void *thread)
{
    for (unsigned turn = 0; !enough; turn++) {
        long before = handled;
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        while (handled == before && !enough)
            sched_yield();
        for (volatile unsigned pause = turn * 7919 % 500; pause; pause--)
            ;
    }
    return NULL;
}

static NOINLINE long work(long depth)
{
    struct frame f = {depth, NULL};
    CREATED(f);
    long n = depth ? work(depth - 1) : 0;
    CHECK_FRAME(f);
    DELETED();
    return n;
}

CASE(handler_on_an_alternate_stack)
{
    struct frame around = {5, NULL};
    pthread_t self = pthread_self(), other;
    handle(SIGUSR1, on_signal, 0);
    CREATED(around);
    CHECK_EQ(pthread_create(&other, NULL, bombard, &self), 0);
    for (long i = 0; i < (long)test_scaled(200000) || handled < 100; i++)
        work(i % 40);
    enough = true;
    pthread_join(other, NULL);
    CHECK_FRAME(around);
    CHECK_EQ(wrong, 0);
    DELETED();
}

static sigjmp_buf out;
static atomic_bool may_leave;

static NOINLINE void leave_the_handler(void)
{
    struct frame f = {99, NULL};
    CREATED(f);
    wrong += nested_call(f.pointer, 1) != 100;
    siglongjmp(out, 1);
}

static void on_signal_that_leaves(int number)
{
    (void)number;
    in_a_handler(1);
    handled++;
    if (may_leave) {
        may_leave = false;
        leave_the_handler();
    }
}

/* Wherever the signal hits, inside of a call of ours, too: what is made after that is right. */
CASE(handlers_that_are_left_by_siglongjmp)
{
    struct frame around = {5, NULL};
    pthread_t self = pthread_self(), other;
    handle(SIGUSR1, on_signal_that_leaves, 0);
    CREATED(around);
    CHECK_EQ(pthread_create(&other, NULL, bombard, &self), 0);
    for (volatile long i = 0; i < (long)test_scaled(3000); i++)
        if (!sigsetjmp(out, 1)) {
            may_leave = true;
            while (may_leave)
                work(3);
        }
    enough = true;
    pthread_join(other, NULL);
    CHECK_FRAME(around);
    CHECK_EQ(wrong, 0);
    DELETED();
}

#if (defined __x86_64__ || defined __i386__) &&                                                    \
    !defined __SANITIZE_THREAD__ /* which delays signals */
static volatile long steps;

/* After each instruction of the interrupted code. The handler itself is not stepped through. */
static void on_step(int number)
{
    (void)number;
    steps++;
    in_a_handler(1);
}

static inline void step(bool on)
{
#ifdef __x86_64__
    if (on)
        __asm__ volatile("sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq; add $128, %%rsp" ::
                             : "cc", "memory");
    else
        __asm__ volatile("sub $128, %%rsp; pushfq; andl $~0x100, (%%rsp); popfq; add $128, %%rsp" ::
                             : "cc", "memory");
#else
    if (on)
        __asm__ volatile("pushfl; orl $0x100, (%%esp); popfl" ::: "cc", "memory");
    else
        __asm__ volatile("pushfl; andl $~0x100, (%%esp); popfl" ::: "cc", "memory");
#endif
}

static NOINLINE void step_through(long number)
{
    struct frame f = {number, NULL}, g = {number + 1, NULL};
    step(true);
    CREATED(f);
    CREATED(g);
    step(false);
    CHECK_FRAME(f);
    CHECK_FRAME(g);
    step(true);
    DELETED();
    step(false);
    CHECK_FRAME(f);
    step(true);
    DELETED();
    step(false);
}

static volatile long steps_left;

static void on_step_leave(int number)
{
    on_step(number);
    if (--steps_left == 0)
        siglongjmp(out, 1);
}

static NOINLINE bool left_after(long step_count)
{
    struct frame f = {step_count, NULL};
    steps_left = step_count;
    step(true);
    CREATED(f);
    step(false);
    CHECK_FRAME(f);
    step(true);
    DELETED();
    step(false);
    return steps_left > 0;
}

/* A handler leaves the call after its first instruction, after its second, and so on. */
CASE(left_after_each_instruction)
{
    if (test_emulated() || test_under_valgrind())
        test_skip("an emulator does not step");
    struct frame around = {5, NULL};
    volatile bool ended = false;
    volatile long n = 0;
    handle(SIGTRAP, on_step_leave, 0);
    CREATED(around);
    while (!ended) {
        n = n + 1;
        if (!sigsetjmp(out, 1))
            ended = left_after(n);
        step(false);
        CHECK_EQ(work(20), 0);
        CHECK_FRAME(around);
    }
    CHECK_EQ(wrong, 0);
    CHECK(n > 100, "%ld steps", n);
    DELETED();
}

/* Through the first call, which makes everything, through the common path, and through the slow
 * one. */
CASE(a_signal_after_each_instruction)
{
    if (test_emulated() || test_under_valgrind())
        test_skip("an emulator does not step");
    struct frame f[300];
    handle(SIGTRAP, on_step, 0);
    for (int i = 0; i < 5; i++)
        step_through(i);
    for (int i = 0; i < 300; i++) {
        f[i].number = i;
        if (i % 10 == 0)
            step(true);
        CREATED(f[i]);
        step(false);
        if (i % 50 == 0)
            step_through(i);
    }
    for (int i = 300; i-- > 0;) {
        CHECK_FRAME(f[i]);
        if (i % 10 == 0)
            step(true);
        DELETED();
        step(false);
    }
    CHECK_EQ(wrong, 0);
    CHECK(steps > 2000, "%ld steps", steps);
}
#endif
