/* SPDX-License-Identifier: MIT */
/* nested.c - what the programs beside it share: the nested function, coroutines, counters */
#include "nested.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "seccomp.h"

/* As shim.S calls it. */
#ifdef __i386__
#define REGISTERS __attribute__((regparm(2)))
#else
#define REGISTERS
#endif
REGISTERS long nested_body(long x, const struct frame *chain);

REGISTERS long nested_body(long x, const struct frame *chain)
{
    return x + chain->number;
}

static void begin(void)
{
    if (!test_under_valgrind() && !test_emulated())
        seccomp_kill_writable_executable();
}

struct test_library tested = {.prep_cif = ffi_prep_cif,
                              .sint = &ffi_type_sint,
                              .slong = &ffi_type_slong,
                              .dbl = &ffi_type_double,
                              .begin = begin};

void nested_see(struct nested_seen *seen, void *address)
{
    size_t size = sizeof seen->address / sizeof *seen->address;
    size_t at = (uintptr_t)address / 16 % size;
    while (seen->address[at] && seen->address[at] != address)
        at = (at + 1) % size;
    seen->count += !seen->address[at];
    seen->address[at] = address;
    CHECK(seen->count < size / 2, "%zu different addresses", seen->count);
}

size_t nested_resident(void)
{
    char line[256];
    size_t kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status);
    while (fgets(line, sizeof line, status))
        (void)sscanf(line, "RssAnon: %zu kB", &kilobytes);
    fclose(status);
    return kilobytes * 1024;
}

void nested_on_stack(size_t size, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, size), 0);
    CHECK_EQ(pthread_create(&thread, &attributes, run, argument), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}

/* --- coroutines ------------------------------------------------------------------------------- */

struct nested_coroutine {
    ucontext_t inside, outside;
    void (*run)(void *);
    void *argument;
    struct nested_coroutine *outer;
    bool ended;
};

static __thread struct nested_coroutine *current;

static void enter(void)
{
    struct nested_coroutine *c = current;
    c->run(c->argument);
    c->ended = true;
    current = c->outer;
    setcontext(&c->outside);
}

struct nested_coroutine *nested_start(void (*run)(void *), void *argument, char *stack, size_t size)
{
    struct nested_coroutine *c = calloc(1, sizeof *c);
    CHECK(c);
    c->run = run;
    c->argument = argument;
    CHECK_EQ(getcontext(&c->inside), 0);
    c->inside.uc_stack.ss_sp = stack;
    c->inside.uc_stack.ss_size = size;
    makecontext(&c->inside, enter, 0);
    return c;
}

bool nested_go_on(struct nested_coroutine *c)
{
    c->outer = current;
    current = c;
    CHECK_EQ(swapcontext(&c->outside, &c->inside), 0);
    return !c->ended;
}

void nested_yield(void)
{
    struct nested_coroutine *c = current;
    current = c->outer;
    CHECK_EQ(swapcontext(&c->inside, &c->outside), 0);
}
