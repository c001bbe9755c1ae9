/* SPDX-License-Identifier: MIT */
/* hop.c - the general form, (code, data, register): what the code finds when it is reached
 *
 * Every pair of registers, on each provider in turn (tests/core/test_core.py sets the variable).
 * The probe loads every register with a value of its own, sets the flags, calls the address, and
 * the code that is reached writes down all it finds before it returns.
 */
#include "fs_test.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "probe.h" /* of the folder of this architecture */

struct state hop_in, hop_out;
const void *hop_callee;
void hop_probe(void);  /* call hop_callee with hop_in, keep what a callee must */
void hop_target(void); /* write everything into hop_out and return */

static void fill_in(uint64_t seed, uint64_t flags)
{
    uint64_t *word = (uint64_t *)&hop_in;
    for (size_t i = 0; i < sizeof hop_in / sizeof *word; i++)
        word[i] = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);
    hop_in.flags = flags;
    expect_before(&hop_in);
    memset(&hop_out, 0xa5, sizeof hop_out);
}

/* Call and compare: all is as the caller had it, but for what was asked for and what is spent. */
static void check_hop(const void *address, int data_register, int code_register, uint64_t data,
                      uint64_t flags)
{
    fill_in((uint64_t)data_register * 99 + (uint64_t)code_register, flags);
    hop_callee = address;
    hop_probe();
    expect_after(&hop_in);
    for (int r = 0; r < REGISTERS; r++) {
        uint64_t want = hop_in.gpr[r];
        if (r == data_register - 1)
            want = data;
        else if (r == code_register - 1)
            want = (uintptr_t)hop_target;
        else if (is_spent(r))
            continue;
        if (hop_out.gpr[r] != want)
            test_fail(__FILE__, __LINE__,
                      "data in %d, code in %d: register %d is 0x%llx, not 0x%llx",
                      data_register - 1, code_register - 1, r, (unsigned long long)hop_out.gpr[r],
                      (unsigned long long)want);
    }
    CHECK_EQ(hop_out.flags & FLAGS_SEEN, flags & FLAGS_SEEN);
    CHECK_EQ(memcmp(hop_out.vec, hop_in.vec, sizeof hop_in.vec), 0);
    CHECK_EQ(memcmp(hop_out.stack, hop_in.stack, sizeof hop_in.stack), 0);
}

static int allocate(void **address, const void *code, void *data, int in, int code_in)
{
    struct ffi_static_trampoline what = {code, data, in, code_in};
    return ffi_static_trampoline_alloc(&what, 0, address);
}

#ifndef ZERO
#define ZERO SP /* none is always zero */
#endif

static bool is_register(int r)
{
    return r >= 1 && r <= REGISTERS && r != SP + 1 && r != ZERO + 1;
}

#ifndef NO_DATA
#define NO_DATA FFI_STATIC_NO_REGISTER
#endif

static bool is_pair(int data_register, int code_register)
{
    if (data_register == NO_DATA)
        return false;
    bool code = code_register == FFI_STATIC_NO_REGISTER || is_register(code_register);
    return is_register(data_register) && code && data_register != code_register;
}

/* Three rounds: the resident table is full after the first, where there is more than that one. */
CASE(every_pair_of_registers)
{
    enum {
        NAMED = REGISTERS - 1 - (ZERO != SP),
        DATA = NAMED - (NO_DATA != FFI_STATIC_NO_REGISTER),
        PAIRS = DATA * NAMED,
        ROUNDS = 3,
        FEW = 225
    };
    static void *address[ROUNDS * PAIRS];
    const char *only = getenv("FFI_STATIC_PROVIDER");
    int n = 0, error = 0;
    for (int i = 0; !error && i < ROUNDS * (REGISTERS + 1) * REGISTERS; i++) {
        int in = i % REGISTERS + 1, code_in = i / REGISTERS % (REGISTERS + 1);
        if (!is_pair(in, code_in))
            continue;
        error =
            allocate(&address[n], hop_target, (void *)(0xda7a0000ul + (unsigned)n), in, code_in);
        n += !error;
    }
    enum { RESIDENT = 256 };
    bool resident = only && strcmp(only, "resident") == 0 && ROUNDS * PAIRS > RESIDENT;
    CHECK_EQ(error, resident ? -ENOSYS : 0);
    CHECK(resident ? n >= FEW : n == ROUNDS * PAIRS);
    for (int i = 0; i < n; i++) {
        struct ffi_static_trampoline what;
        CHECK_EQ(ffi_static_trampoline_query(address[i], &what), 0);
        CHECK(what.code == hop_target && is_pair(what.data_register, what.code_register));
        CHECK_EQ((uintptr_t)what.data, 0xda7a0000ul + (unsigned)i);
        check_hop(address[i], what.data_register, what.code_register, (uintptr_t)what.data,
                  FLAGS_SET);
        check_hop(address[i], what.data_register, what.code_register, (uintptr_t)what.data,
                  FLAGS_CLEAR);
        if (only && !strchr(only, ','))
            CHECK_EQ(strcmp(ffi_static_provider_of(address[i]), only), 0);
    }
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(test_stats().live, n);
    while (n--)
        CHECK_EQ(ffi_static_trampoline_free(address[n]), 0);
    CHECK_EQ(test_stats().live, 0);
}

CASE(what_cannot_be_is_refused_with_a_sentence)
{
    static const int wrong[] = {-1, SP + 1, ZERO + 1, REGISTERS + 1, 1000, INT32_MAX, INT32_MIN};
    void *untouched = &hop_in, *address = untouched;
    struct ffi_static_trampoline good = {hop_target, NULL, ARGUMENT_0, 0}, what;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ(allocate(&address, hop_target, NULL, wrong[i], 0), -EINVAL);
        CHECK_HAS(api.error(), "data_register");
        CHECK_EQ(allocate(&address, hop_target, NULL, ARGUMENT_0, wrong[i]), -EINVAL);
        CHECK_HAS(api.error(), "code_register");
    }
    CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_NO_REGISTER, 0), -EINVAL);
    CHECK_EQ(allocate(&address, hop_target, NULL, NO_DATA, 0), -EINVAL);
    CHECK_HAS(api.error(), "data_register");
    CHECK_EQ(allocate(&address, hop_target, NULL, OWN, OWN), -EINVAL);
    CHECK_HAS(api.error(), "both");
    CHECK_EQ(allocate(&address, NULL, NULL, ARGUMENT_0, 0), -EINVAL);
    CHECK_HAS(api.error(), "NULL");
    CHECK_EQ(ffi_static_trampoline_alloc(NULL, 0, &address), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_alloc(&good, 0, NULL), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_alloc(&good, 4, &address), -EINVAL);
    CHECK_HAS(api.error(), "0x4");
    CHECK(address == untouched);
    CHECK_EQ(ffi_static_trampoline_query(&hop_in, &what), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_query(NULL, &what), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_query(hop_target, NULL), -EINVAL);
    CHECK_EQ(test_stats().live, 0);
}

CASE(a_double_free_and_what_is_not_a_trampoline)
{
    void *address, *again;
    struct ffi_static_trampoline what;
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(allocate(&address, hop_target, NULL, ARGUMENT_0, 0), 0);
    CHECK(api.from_address(address) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_HAS(api.error(), "trampoline");
    CHECK_EQ(ffi_static_trampoline_query((char *)address + 1, &what), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_free((char *)address + 1), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_free(&hop_in), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_free(made.code), -EINVAL);
    CHECK_HAS(api.error(), "closure");
    CHECK_EQ(ffi_static_trampoline_query(made.code, &what), -EINVAL);
    CHECK_EQ(ffi_static_trampoline_free(NULL), 0);
    CHECK_EQ(ffi_static_trampoline_free(address), 0);
    CHECK_EQ(ffi_static_trampoline_free(address), -EALREADY);
    CHECK_HAS(api.error(), "already");
    CHECK_EQ(ffi_static_trampoline_query(address, &what), -EINVAL);
    CHECK(ffi_static_provider_of(address) == NULL);
    CHECK_EQ(allocate(&again, hop_target, NULL, ARGUMENT_0, 0), 0);
    CHECK(again == address);
    CHECK_EQ(ffi_static_trampoline_free(again), 0);
    test_call(&made);
    test_free(&made);
}

/* The same slot is a trampoline, then a closure, then a trampoline. */
CASE(trampolines_and_closures_share_slots)
{
    for (int i = 0; i < 100; i++) {
        void *address;
        struct made made;
        CHECK_EQ(allocate(&address, hop_target, &made, ANY, OTHER), 0);
        check_hop(address, ANY, OTHER, (uintptr_t)&made, FLAGS_CLEAR);
        CHECK_EQ(ffi_static_trampoline_free(address), 0);
        CHECK(test_make(&made, i));
        CHECK(made.code == address);
        test_call(&made);
        test_free(&made);
    }
}

struct order {
    int sign;
    size_t calls;
};

/* Where it matters, the argument in a register is the first. */
#ifdef REGISTER_FIRST
static REGISTER_FIRST int by_order(struct order *order, const void *a, const void *b)
#else
#define REGISTER_FIRST
static int by_order(const void *a, const void *b, struct order *order)
#endif
{
    int x = *(const int *)a, y = *(const int *)b;
    order->calls++;
    return order->sign * ((x > y) - (x < y));
}

/* What qsort() lacks and qsort_r() has: a third argument. */
CASE(a_third_argument_for_qsort)
{
    struct order up = {1, 0}, down = {-1, 0};
    void *upwards, *downwards;
    int numbers[1000];
    CHECK_EQ(allocate(&upwards, (void *)by_order, &up, ARGUMENT_2, 0), 0);
    CHECK_EQ(allocate(&downwards, (void *)by_order, &down, ARGUMENT_2, ANY), 0);
    for (int i = 0; i < 1000; i++)
        numbers[i] = i * 7919 % 1000;
    qsort(numbers, 1000, sizeof *numbers, (int (*)(const void *, const void *))upwards);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(numbers[i], i);
    qsort(numbers, 1000, sizeof *numbers, (int (*)(const void *, const void *))downwards);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(numbers[i], 999 - i);
    CHECK(up.calls > 1000 && down.calls > 1000);
    CHECK_EQ(ffi_static_trampoline_free(upwards), 0);
    CHECK_EQ(ffi_static_trampoline_free(downwards), 0);
}

static REGISTER_FIRST long first_argument(void *data)
{
    return (long)(intptr_t)data;
}

static long call(const void *address)
{
    return ((long (*)(void))(uintptr_t)address)();
}

static void make_many(void **address, long n)
{
    for (long i = 0; i < n; i++)
        CHECK_EQ(allocate(&address[i], (void *)first_argument, (void *)(i ^ 77), ARGUMENT_0,
                          i % 2 ? THIRD : 0),
                 0);
}

static void call_many(void **address, long n)
{
    for (long i = 0; i < n; i++)
        CHECK_EQ(call(address[i]), i ^ 77);
}

static void free_many(void **address, long n)
{
    for (long i = 0; i < n; i++)
        CHECK_EQ(ffi_static_trampoline_free(address[i]), 0);
}

static long how_many(long n)
{
    const char *only = getenv("FFI_STATIC_PROVIDER");
    return only && strcmp(only, "resident") == 0 && n > 250 ? 250 : n;
}

CASE(twenty_thousand)
{
    static void *address[MANY];
    long n = how_many((long)test_scaled(MANY));
    for (int round = 0; round < 3; round++) {
        make_many(address, n);
        call_many(address, n);
        CHECK_EQ(test_stats().live, n);
        CHECK_EQ(api.check(), 0);
        free_many(address, n);
    }
    CHECK_EQ(test_stats().live, 0);
}

CASE(a_forked_child_has_its_own)
{
    static void *address[MANY];
    long n = how_many(6000);
    make_many(address, n);
    pid_t child = fork();
    if (child == 0) {
        test_maps_reopen();
        call_many(address, n);
        free_many(address, n);
        make_many(address, n);
        call_many(address, n);
        CHECK_EQ(api.check(), 0);
        test_audit();
        _exit(0);
    }
    test_wait(child);
    call_many(address, n);
    free_many(address, n);
    CHECK_EQ(test_stats().live, 0);
}

static void *make_call_free(void *data)
{
    (void)data;
    void *address[30];
    for (size_t round = 0; round < test_scaled(1000); round++) {
        make_many(address, 30);
        call_many(address, 30);
        free_many(address, 30);
    }
    return NULL;
}

CASE(eight_threads)
{
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, make_call_free, NULL), 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_EQ(test_stats().live, 0);
}

static REGISTER_FIRST long frees_itself(void *address)
{
    CHECK_EQ(ffi_static_trampoline_free(*(void **)address), 0);
    return 42;
}

CASE(the_code_may_free_its_trampoline)
{
    void *address;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(allocate(&address, (void *)frees_itself, &address, ARGUMENT_0, 0), 0);
        CHECK_EQ(call(address), 42);
        CHECK_EQ(ffi_static_trampoline_free(address), -EALREADY);
    }
}

CASE(a_call_after_free_names_the_address_and_aborts)
{
    void *address;
    int ends[2];
    char said[512] = "", name[32];
    CHECK_EQ(allocate(&address, hop_target, NULL, ARGUMENT_0, 0), 0);
    CHECK_EQ(ffi_static_trampoline_free(address), 0);
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
        call(address);
        _exit(0);
    }
    close(ends[1]);
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    snprintf(name, sizeof name, "%p", address);
    CHECK_HAS(said, name);
    CHECK_HAS(said, "freed");
}

/* A signal after each instruction, with a handler that overwrites the stack below: nothing of what
 * is on its way may lie where a signal would hit it. */
#ifdef TRAP_FLAG
static volatile size_t steps;

static void step(int number, siginfo_t *info, void *context)
{
    volatile unsigned char below[4096];
    (void)number, (void)info;
    for (size_t i = 0; i < sizeof below; i++)
        below[i] = 0xcc;
    steps++;
    stop_at(context, (const void *)hop_target);
}
#endif

CASE(a_signal_after_each_instruction_changes_nothing)
{
#ifdef TRAP_FLAG
    if (test_under_valgrind())
        test_skip("valgrind runs translated code, which cannot be single-stepped");
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
    for (int i = 0; i < (REGISTERS + 1) * REGISTERS; i++) {
        void *address;
        int in = i % REGISTERS + 1, code_in = i / REGISTERS;
        if (!is_pair(in, code_in))
            continue;
        CHECK_EQ(allocate(&address, hop_target, (void *)0xfeedul, in, code_in), 0);
        steps = 0;
        check_hop(address, in, code_in, 0xfeed, FLAGS_SET | TRAP_FLAG);
        CHECK(steps > 8);
        CHECK_EQ(ffi_static_trampoline_free(address), 0);
    }
#else
    test_skip("a process cannot step itself on this architecture");
#endif
}
