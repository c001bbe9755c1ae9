/* SPDX-License-Identifier: MIT */
/* stacks.c - frames on stacks that grow, on higher stacks, and on those of whom slots were lost */
#include "nested.h"

#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static NOINLINE void with_alloca(size_t size)
{
    struct frame f = {(long)size, NULL};
    CREATED(f);
    char *more = alloca(size);
    memset(more, 0xa5, size);
    __asm__ volatile("" : : "r"(more) : "memory"); /* or the compiler leaves both out */
    CHECK_FRAME(f);
    DELETED();
}

/* The library has asked for the stack's limits by then. */
CASE(the_stack_limit_is_raised)
{
    struct rlimit limit;
    struct frame around = {5, NULL};
    if (test_emulated() || test_under_valgrind())
        test_skip("an emulator has a stack of its own making");
    CREATED(around);
    with_alloca(100000);
    CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_cur > 16 << 20 || limit.rlim_max < 64 << 20)
        test_skip("the stack's limit is not 16 MiB or less, or cannot be raised to 64 MiB");
    limit.rlim_cur = 64 << 20;
    CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
    with_alloca(24 << 20);
    CHECK_FRAME(around);
    DELETED();
}

#if defined __x86_64__ && !defined __SANITIZE_THREAD__ /* which delays signals */
enum { STACK = 1 << 18 };

static char *stacks_of(size_t size)
{
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    return stack;
}

static inline void step(bool on)
{
    if (on)
        __asm__ volatile("sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq; add $128, %%rsp" ::
                             : "cc", "memory");
    else
        __asm__ volatile("sub $128, %%rsp; pushfq; andl $~0x100, (%%rsp); popfq; add $128, %%rsp" ::
                             : "cc", "memory");
}

static void handle_steps(void (*handler)(int), char *stack, size_t size)
{
    stack_t alternate = {.ss_sp = stack, .ss_size = size};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
}

static volatile long steps_left;
static sigjmp_buf out;

static void on_step_leave(int number)
{
    (void)number;
    if (--steps_left == 0)
        siglongjmp(out, 1);
}

static NOINLINE bool left_after(long count)
{
    struct frame f = {count, NULL};
    if (sigsetjmp(out, 1)) {
        step(false);
        return true;
    }
    steps_left = count;
    step(true);
    CREATED(f);
    DELETED();
    step(false);
    return false;
}

static void make_one(void *number)
{
    struct frame f = {*(long *)number, NULL};
    CREATED(f);
    nested_yield();
    CHECK_FRAME(f);
    DELETED();
}

/* The first coroutine's slot is lost. It must not delete the second one's, which lies higher. */
CASE(left_after_each_instruction_coroutines_live_on)
{
    static char alternate[1 << 16];
    static long numbers[2] = {100, 200};
    if (test_emulated() || test_under_valgrind())
        test_skip("an emulator does not step");
    char *stacks = stacks_of(2 * STACK);
    handle_steps(on_step_leave, alternate, sizeof alternate);
    long n = 0;
    for (bool left = true; left;) {
        struct nested_coroutine *low = nested_start(make_one, &numbers[0], stacks, STACK);
        struct nested_coroutine *high = nested_start(make_one, &numbers[1], stacks + STACK, STACK);
        CHECK(nested_go_on(low));
        left = left_after(++n);
        struct frame around = {5, NULL};
        CREATED(around); /* from here on the thread has its slots again */
        CHECK(nested_go_on(high));
        CHECK(!nested_go_on(low));
        CHECK(!nested_go_on(high));
        CHECK_FRAME(around);
        DELETED();
        free(low);
        free(high);
    }
    CHECK(n > 100, "%ld steps", n);
}

static NOINLINE void nest(int depth)
{
    struct frame f = {depth, NULL};
    CREATED(f);
    if (depth)
        nest(depth - 1);
    CHECK_FRAME(f);
    DELETED();
}

static void on_step_nest(int number)
{
    (void)number;
    if (--steps_left == 0)
        nest(600);
}

static NOINLINE bool interrupted_after(long count)
{
    struct frame f = {count, NULL};
    CREATED(f); /* the thread's first call is long */
    DELETED();
    f.pointer = NULL; /* it has held the address of the same slot */
    steps_left = count;
    step(true);
    CREATED(f);
    step(false);
    CHECK_FRAME(f);
    DELETED();
    return steps_left <= 0;
}

struct place {
    char *stacks;
    long count;
    bool was_interrupted;
};

static void *interrupt(void *place)
{
    struct place *p = place;
    stack_t before; /* ASan's own, which it unmaps when the thread ends: whatever is set then */
    CHECK_EQ(sigaltstack(NULL, &before), 0);
    handle_steps(on_step_nest, p->stacks + STACK, 4 * STACK);
    p->was_interrupted = interrupted_after(p->count);
    CHECK_EQ(sigaltstack(&before, NULL), 0);
    return NULL;
}

/* A handler sweeps from an alternate stack that is higher than the thread's: what the thread is
 * just making is no stale slot. A new thread each time, which is soon to sweep. */
CASE(a_sweep_from_a_higher_stack_at_each_instruction)
{
    pthread_attr_t attributes;
    if (test_emulated() || test_under_valgrind())
        test_skip("an emulator does not step");
    struct place place = {.stacks = stacks_of(5 * STACK), .was_interrupted = true};
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstack(&attributes, place.stacks, STACK), 0);
    while (place.was_interrupted) {
        pthread_t thread;
        place.count++;
        CHECK_EQ(pthread_create(&thread, &attributes, interrupt, &place), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(place.count > 20, "%ld steps", place.count);
    CHECK_EQ(pthread_attr_destroy(&attributes), 0);
}
#endif
