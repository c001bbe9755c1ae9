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

#ifndef __x86_64__
#error "the probe is written for x86-64"
#endif

enum { REGISTERS = 16, RSP = 7, R10 = 10, SPENT = R10, VECTORS = 16, STACK_WORDS = 16 };

/* What the probe loads, and what was found. General registers by their DWARF numbers. */
struct state {
    uint64_t gpr[REGISTERS];
    uint64_t vec[VECTORS][2];
    uint64_t flags;
    uint64_t stack[STACK_WORDS]; /* from the return address up */
};
struct state hop_in, hop_out;
const void *hop_callee;
void hop_probe(void);  /* call hop_callee with hop_in, keep what a callee must */
void hop_target(void); /* write everything into hop_out and return */

#define EACH_SAVED(op) op(rbx) op(rbp) op(r12) op(r13) op(r14) op(r15)
#define PUSH(r) "pushq %" #r "\n"
#define POP(r) "popq %" #r "\n"
#define GPR(op)                                                                                    \
    op(rax, 0) op(rdx, 1) op(rcx, 2) op(rbx, 3) op(rsi, 4) op(rdi, 5) op(rbp, 6) op(r8, 8)         \
        op(r9, 9) op(r10, 10) op(r11, 11) op(r12, 12) op(r13, 13) op(r14, 14) op(r15, 15)
#define LOAD(r, n) "movq hop_in + 8 * " #n "(%rip), %" #r "\n"
#define STORE(r, n) "movq %" #r ", hop_out + 8 * " #n "(%rip)\n"
#define VECTOR(op)                                                                                 \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD_VECTOR(n) "movups hop_in + 128 + 16 * " #n "(%rip), %xmm" #n "\n"
#define STORE_VECTOR(n) "movups %xmm" #n ", hop_out + 128 + 16 * " #n "(%rip)\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, @function\nhop_probe:\n"
        "endbr64\n"
        PUSH(rbx) PUSH(rbp) PUSH(r12) PUSH(r13) PUSH(r14) PUSH(r15)
        "subq $8 * 15, %rsp\n" /* STACK_WORDS without the return address; the stack is aligned */
        ".set fs_k, 0\n.rept 15\n"
        "movq hop_in + 392 + 8 + 8 * fs_k(%rip), %rax\n"
        "movq %rax, 8 * fs_k(%rsp)\n.set fs_k, fs_k + 1\n.endr\n"
        "movq %rsp, hop_in + 8 * 7(%rip)\n"
        VECTOR(LOAD_VECTOR)
        "pushq hop_in + 384(%rip)\npopfq\n"
        GPR(LOAD)
        "call *hop_callee(%rip)\n"
        ".globl hop_back\nhop_back:\n"
        "cld\n"
        "addq $8 * 15, %rsp\n"
        POP(r15) POP(r14) POP(r13) POP(r12) POP(rbp) POP(rbx)
        "ret\n.size hop_probe, . - hop_probe\n"

        ".balign 16\n.globl hop_target\n.type hop_target, @function\nhop_target:\n"
        "endbr64\n"
        GPR(STORE)
        "movq %rsp, hop_out + 8 * 7(%rip)\n"
        VECTOR(STORE_VECTOR)
        "pushfq\npopq hop_out + 384(%rip)\n"
        ".set fs_k, 0\n.rept 16\n"
        "movq 8 * fs_k(%rsp), %rax\n"
        "movq %rax, hop_out + 392 + 8 * fs_k(%rip)\n.set fs_k, fs_k + 1\n.endr\n"
        "ret\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 128, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 384 && offsetof(struct state, stack) == 392, "too");
extern const char hop_back[];

/* Carry, parity, adjust, zero, sign, direction, overflow; 2 is always set, 0x200 is interrupts. */
#define FLAGS_SET 0xed7u
#define FLAGS_CLEAR 0x202u
#define FLAGS_SEEN 0xcd5u

static void fill_in(uint64_t seed, uint64_t flags)
{
    uint64_t *word = (uint64_t *)&hop_in;
    for (size_t i = 0; i < sizeof hop_in / sizeof *word; i++)
        word[i] = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);
    hop_in.flags = flags;
    hop_in.stack[0] = (uintptr_t)hop_back;
    memset(&hop_out, 0xa5, sizeof hop_out);
}

/* Call and compare: all is as the caller had it, but for what was asked for and r10. */
static void check_hop(const void *address, int data_register, int code_register, uint64_t data,
                      uint64_t flags)
{
    fill_in((uint64_t)data_register * 99 + (uint64_t)code_register, flags);
    hop_callee = address;
    hop_probe();
    hop_in.gpr[RSP] -= 8; /* the return address */
    for (int r = 0; r < REGISTERS; r++) {
        uint64_t want = hop_in.gpr[r];
        if (r == data_register - 1)
            want = data;
        else if (r == code_register - 1)
            want = (uintptr_t)hop_target;
        else if (r == SPENT)
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

static bool is_register(int r)
{
    return r >= 1 && r <= REGISTERS && r != RSP + 1;
}

static bool is_pair(int data_register, int code_register)
{
    bool code = code_register == FFI_STATIC_NO_REGISTER || is_register(code_register);
    return is_register(data_register) && code && data_register != code_register;
}

/* Three rounds: the resident table is full after the first, where there is more than that one. */
CASE(every_pair_of_registers)
{
    enum { PAIRS = 15 * 15, ROUNDS = 3 };
    static void *address[ROUNDS * PAIRS];
    const char *only = getenv("FFI_STATIC_PROVIDER");
    int n = 0, error = 0;
    for (int i = 0; !error && i < ROUNDS * 17 * 16; i++) {
        int in = i % 16 + 1, code_in = i / 16 % 17;
        if (!is_pair(in, code_in))
            continue;
        error =
            allocate(&address[n], hop_target, (void *)(0xda7a0000ul + (unsigned)n), in, code_in);
        n += !error;
    }
    bool resident = only && strcmp(only, "resident") == 0;
    CHECK_EQ(error, resident ? -ENOSYS : 0);
    CHECK(resident ? n >= PAIRS : n == ROUNDS * PAIRS);
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
    static const int wrong[] = {-1, RSP + 1, REGISTERS + 1, 1000, INT32_MAX, INT32_MIN};
    void *untouched = &hop_in, *address = untouched;
    struct ffi_static_trampoline good = {hop_target, NULL, FFI_STATIC_RDI, 0}, what;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ(allocate(&address, hop_target, NULL, wrong[i], 0), -EINVAL);
        CHECK_HAS(api.error(), "data_register");
        CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_RDI, wrong[i]), -EINVAL);
        CHECK_HAS(api.error(), "code_register");
    }
    CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_NO_REGISTER, 0), -EINVAL);
    CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_R10, FFI_STATIC_R10), -EINVAL);
    CHECK_HAS(api.error(), "both");
    CHECK_EQ(allocate(&address, NULL, NULL, FFI_STATIC_RDI, 0), -EINVAL);
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
    CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_RDI, 0), 0);
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
    CHECK_EQ(allocate(&again, hop_target, NULL, FFI_STATIC_RDI, 0), 0);
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
        CHECK_EQ(allocate(&address, hop_target, &made, FFI_STATIC_R11, FFI_STATIC_RAX), 0);
        check_hop(address, FFI_STATIC_R11, FFI_STATIC_RAX, (uintptr_t)&made, FLAGS_CLEAR);
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

static int by_order(const void *a, const void *b, struct order *order)
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
    CHECK_EQ(allocate(&upwards, (void *)by_order, &up, FFI_STATIC_RDX, 0), 0);
    CHECK_EQ(allocate(&downwards, (void *)by_order, &down, FFI_STATIC_RDX, FFI_STATIC_R11), 0);
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

static long first_argument(void *data)
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
        CHECK_EQ(allocate(&address[i], (void *)first_argument, (void *)(i ^ 77), FFI_STATIC_RDI,
                          i % 2 ? FFI_STATIC_R9 : 0),
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

static long frees_itself(void *address)
{
    CHECK_EQ(ffi_static_trampoline_free(*(void **)address), 0);
    return 42;
}

CASE(the_code_may_free_its_trampoline)
{
    void *address;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(allocate(&address, (void *)frees_itself, &address, FFI_STATIC_RDI, 0), 0);
        CHECK_EQ(call(address), 42);
        CHECK_EQ(ffi_static_trampoline_free(address), -EALREADY);
    }
}

CASE(a_call_after_free_names_the_address_and_aborts)
{
    void *address;
    int ends[2];
    char said[512] = "", name[32];
    CHECK_EQ(allocate(&address, hop_target, NULL, FFI_STATIC_RDI, 0), 0);
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
#define TRAP_FLAG 0x100u
static volatile size_t steps;

static void step(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    volatile unsigned char below[4096];
    (void)number, (void)info;
    for (size_t i = 0; i < sizeof below; i++)
        below[i] = 0xcc;
    steps++;
    if ((uintptr_t)regs[REG_RIP] == (uintptr_t)hop_target)
        regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

CASE(a_signal_after_each_instruction_changes_nothing)
{
    if (test_under_valgrind())
        test_skip("valgrind runs translated code, which cannot be single-stepped");
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
    for (int i = 0; i < 17 * 16; i++) {
        void *address;
        int in = i % 16 + 1, code_in = i / 16;
        if (!is_pair(in, code_in))
            continue;
        CHECK_EQ(allocate(&address, hop_target, (void *)0xfeedul, in, code_in), 0);
        steps = 0;
        check_hop(address, in, code_in, 0xfeed, FLAGS_SET | TRAP_FLAG);
        CHECK(steps > 8);
        CHECK_EQ(ffi_static_trampoline_free(address), 0);
    }
}
