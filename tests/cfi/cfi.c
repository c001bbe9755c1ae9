/* SPDX-License-Identifier: MIT */
/* cfi.c - closures in a program whose control flow the processor watches, and planted mistakes
 *
 *     cfi none|stack|pads|stack,pads MODE
 *
 * Linked statically with the library, or with a patched libffi (-DLIBFFI). What a mode needs is
 * made before anything is enforced. Afterwards no function of the C library is called but qsort():
 * its functions have no landing pads in many distributions, and cannot be called through pointers.
 *
 * Prints what was found. A mistake that nobody minds ends in "unnoticed", one that is caught in
 * "signal N code N" (3). Modes without a mistake make some at their end: all must still be
 * enforced.
 */
#include "enforce.h"
#include "row.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

/* --- output, by system calls alone ------------------------------------------------------------ */

static void say(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    raw(SYS_write, 1, (long)text, (long)size, 0);
}

static void say_number(long n)
{
    char digits[24] = {0}, *p = digits + sizeof digits - 1;
    do {
        *--p = (char)('0' + n % 10);
    } while (n /= 10);
    say(p);
}

static void leave(int status) __attribute__((noreturn));
static void leave(int status)
{
    for (;;)
        raw(SYS_exit_group, status, 0, 0, 0);
}

/* Ends the program after mistakes that are caught, if all is still enforced; see below. */
static unsigned wanted;
static bool ending;
static int end_status;
static void leave_watched(int status) __attribute__((noreturn));

static void report(const char *what, long right, long all)
{
    say_number(right);
    say(" of ");
    say_number(all);
    say(what);
    leave_watched(right != all);
}

static void caught(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (ending)
        leave_watched(end_status);
    say("signal ");
    say_number(number);
    say(" code ");
    say_number(info->si_code);
    say("\n");
    leave(3);
}

/* --- closures --------------------------------------------------------------------------------- */

#define SYMBOL(name)                                                                               \
    {                                                                                              \
#name, &(name)                                                                             \
    }
/* For signature.c, in the place of dlsym(). */
void *static_symbol(void *so, const char *name);
void *static_symbol(void *so, const char *name)
{
    static const struct {
        const char *name;
        void *at;
    } symbols[] = {
        SYMBOL(ffi_type_void),           SYMBOL(ffi_type_sint8),  SYMBOL(ffi_type_uint16),
        SYMBOL(ffi_type_float),          SYMBOL(ffi_type_sint32), SYMBOL(ffi_type_pointer),
        SYMBOL(ffi_type_double),         SYMBOL(ffi_type_sint64), SYMBOL(ffi_type_longdouble),
#ifdef FFI_TARGET_HAS_COMPLEX_TYPE
        SYMBOL(ffi_type_complex_double),
#endif
    };
    (void)so;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (strcmp(symbols[i].name, name) == 0)
            return symbols[i].at;
    return NULL;
}

static const struct rival library = {
    .name = "linked",
    .types = &library,
    .prep_cif = ffi_prep_cif,
#ifdef LIBFFI
    .kind = RIVAL_LIBFFI,
    .libffi = {ffi_closure_alloc, ffi_prep_closure_loc, ffi_closure_free},
#else
    .kind = RIVAL_STATIC,
    .ours = {ffi_static_alloc, ffi_static_prep, ffi_static_free, ffi_static_error,
             ffi_static_provider_of},
#endif
};

static void *make(ffi_cif *cif, handler_fn *handler, void *user, void **code)
{
    void *closure = rival_make(&library, cif, handler, user, code);
    if (!closure) {
        printf("no closure\n");
        exit(2);
    }
    return closure;
}

static struct signature of_a_long;

static void prepare_a_long(void)
{
    if (signature_prepare(&library, "l(l)", &of_a_long) < 0)
        exit(2);
}

/* Where the first closure came from. */
static void say_provider(const void *code)
{
#ifdef LIBFFI
    (void)code;
#else
    printf("%s: ", ffi_static_provider_of(code));
#endif
}

/* --- calls ------------------------------------------------------------------------------------ */

#ifndef CLOSURES
#define CLOSURES 600
#endif
static long (*many[CLOSURES])(long);

static void on_call(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif;
    *(long *)ret = *(long *)args[0] + (long)user;
}

static void prepare_calls(void)
{
    const char *only = getenv("FFI_STATIC_PROVIDER");
    prepare_a_long();
    for (long i = 0; i < CLOSURES; i++) {
        if (only && strcmp(only, "resident") == 0 && i == 255)
            break; /* one is for the end */
        make(&of_a_long.cif, on_call, (void *)i, (void **)&many[i]);
    }
    say_provider((void *)many[0]);
}

static void run_calls(void)
{
    long right = 0, all = 0;
    for (long i = 0; i < CLOSURES && many[i]; i++, all++)
        right += many[i](1000) == 1000 + i;
    report(" calls\n", right, all);
}

/* --- every row of the benchmark --------------------------------------------------------------- */

static struct made {
    const struct row *row;
    struct signature signature;
    void *code;
} made[32];

static void prepare_rows(void)
{
    long n = 0;
    for (int i = 0; rows[i]; i++) {
        made[n].row = rows[i];
        if (signature_prepare(&library, rows[i]->signature, &made[n].signature) < 0)
            continue; /* no complex types there */
        make(&made[n].signature.cif, rows[i]->handler, NULL, &made[n].code);
        n++;
    }
    say_provider(made[0].code);
}

static void run_rows(void)
{
    long right = 0, all = 0;
    for (; made[all].code; all++) {
        right += made[all].row->check(made[all].code);
        made[all].row->call(made[all].code, 100);
    }
    report(" rows\n", right, all);
}

/* --- hops: each goes to code that returns the register which was named ----------------------- */

#ifndef LIBFFI
/* clang-format off */
#if defined __x86_64__
#define TARGET "endbr64; mov %\\reg, %rax; ret"
#define REGISTERS "rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11"
static const int numbers[] = {FFI_STATIC_RAX, FFI_STATIC_RCX, FFI_STATIC_RDX, FFI_STATIC_RSI,
                              FFI_STATIC_RDI, FFI_STATIC_R8, FFI_STATIC_R9, FFI_STATIC_R10,
                              FFI_STATIC_R11};
#elif defined __aarch64__
#define TARGET "bti c; mov x0, \\reg; ret"
#define REGISTERS "x0, x1, x2, x7, x8, x9, x15, x16, x17, x18"
static const int numbers[] = {1, 2, 3, 8, 9, 10, 16, 17, 18, 19};
#elif defined __riscv
#define TARGET "auipc zero, 0; mv a0, \\reg; ret"
#define REGISTERS "a0, a1, a7, t0, t1, t2, t3, t4, t6"
static const int numbers[] = {11, 12, 18, 6, 7, 8, 29, 30, 32};
#endif
/* clang-format on */
enum { HOPS = sizeof numbers / sizeof *numbers };
__asm__(".text\n"
#ifdef __aarch64__
        ".arch armv8.5-a\n"
#endif
        ".macro target reg\n"
        ".balign 32\n" TARGET "\n"
        ".endm\n"
        ".balign 32\n"
        "targets:\n"
        ".irp reg, " REGISTERS "\n"
        "target \\reg\n"
        ".endr\n");
extern const char targets[];
static long (*hops[HOPS])(void);

static void prepare_hops(void)
{
    for (int i = 0; i < HOPS; i++) {
        struct ffi_static_trampoline what = {targets + 32 * i, (void *)(1000L + i), numbers[i], 0};
        if (ffi_static_trampoline_alloc(&what, 0, (void **)&hops[i]) < 0) {
            printf("hop %d: %s\n", i, ffi_static_error());
            exit(2);
        }
    }
    say_provider((void *)hops[0]);
}

static void run_hops(void)
{
    long right = 0;
    for (int i = 0; i < HOPS; i++)
        right += hops[i]() == 1000 + i;
    report(" hops\n", right, HOPS);
}

/* --- nested functions, as the compiler makes them (nested.c) ---------------------------------- */

enum { NESTED = 20 };
long nested_right(long all);

static void prepare_nested(void)
{
    if (nested_right(NESTED) != NESTED) /* so that slots are kept, and none must be made later */
        exit(2);
}

static void run_nested(void)
{
    report(" nested functions\n", nested_right(NESTED), NESTED);
}
#endif

/* --- planted: a jump that misses the landing pad ---------------------------------------------- */

static void *slot;

static void prepare_one(void)
{
    prepare_a_long();
    slot = make(&of_a_long.cif, on_call, (void *)7, (void **)&many[0]);
    say_provider((void *)many[0]);
}

static void run_pad(void)
{
    long got = ((long (*)(long))((char *)many[0] + 4))(1000);
    say(got == 1007 ? "unnoticed\n" : "wrong\n");
    leave(0);
}

/* --- planted: an entry that is no landing pad, in a slot -------------------------------------- */

/* clang-format off */
#if defined __x86_64__
#define ELSEWHERE "endbr64; mov $42, %eax; ret"
#define BEHIND_PAD 4
#elif defined __aarch64__
#define ELSEWHERE "bti c; mov x0, 42; ret"
#define BEHIND_PAD 4
#elif defined __riscv
#define ELSEWHERE "auipc zero, 0; li a0, 42; ret"
#define BEHIND_PAD 4
#endif
/* clang-format on */
__asm__(".balign 32\nelsewhere: " ELSEWHERE "\n");
extern const char elsewhere[];

static void run_entry(void)
{
    *(const void *volatile *)slot = elsewhere;
    if (many[0](1000) != 42)
        say("wrong\n");
    *(const void *volatile *)slot = elsewhere + BEHIND_PAD;
    say(many[0](1000) == 42 ? "unnoticed\n" : "wrong\n");
    leave(0);
}

/* --- planted: another return address in our frame --------------------------------------------- */

static NOINLINE void hijacked(void)
{
    say(ending ? "not enforced any more\n" : "unnoticed\n");
    leave(ending ? 5 : 0);
}

static NOINLINE long call_it(long (*code)(long), long x)
{
    long got = code(x);
    __asm__ volatile("" : "+r"(got)); /* not a tail call */
    return got;
}

/* The first return address into call_it() above the handler's frame is the one that the entry has
 * saved. On AArch64 its upper bits are the signature. */
static NOINLINE void overwrite_return(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)args, (void)user;
    *(long *)ret = 1;
    volatile uintptr_t *word = __builtin_frame_address(0);
    for (int i = 0; i < 200; i++, word++)
        if ((*word & 0xffffffffffff) - (uintptr_t)call_it < 128) {
            *word = (uintptr_t)hijacked;
            return;
        }
    say("no return address\n");
    leave(1);
}

static void prepare_return(void)
{
    prepare_a_long();
    make(&of_a_long.cif, overwrite_return, NULL, (void **)&many[0]);
    say_provider((void *)many[0]);
}

static void run_return(void)
{
    call_it(many[0], 1);
    say("the return address was not used\n");
    leave(1);
}

/* --- the end ---------------------------------------------------------------------------------- */

static long (*returns_elsewhere)(long);

static void leave_watched(int status)
{
    ending = true;
    end_status = status;
    if (wanted & SHADOW_STACK) {
        wanted &= ~SHADOW_STACK;
        call_it(returns_elsewhere, 1);
    }
    if (wanted & LANDING_PADS) {
        wanted &= ~LANDING_PADS;
        ((long (*)(long))((char *)returns_elsewhere + 4))(1);
        hijacked();
    }
    leave(status);
}

static const struct mode {
    const char *name;
    void (*prepare)(void), (*run)(void);
} modes[] = {
    {"calls", prepare_calls, run_calls},    {"rows", prepare_rows, run_rows},
    {"pad", prepare_one, run_pad},          {"entry", prepare_one, run_entry},
    {"return", prepare_return, run_return},
#ifndef LIBFFI
    {"hops", prepare_hops, run_hops},       {"nested", prepare_nested, run_nested},
#endif
};

int main(int argc, char **argv)
{
    const struct mode *mode = NULL;
    for (size_t i = 0; argc == 3 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, argv[2]) == 0)
            mode = &modes[i];
    if (!mode)
        return 2;
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    mode->prepare();
    prepare_a_long();
    make(&of_a_long.cif, overwrite_return, NULL, (void **)&returns_elsewhere);
    fflush(stdout);
    wanted = to_enforce(argv[1]);
    if (!enforce(wanted)) {
        say("the kernel does not enforce it\n");
        leave(4);
    }
    mode->run();
    leave(1);
}
