/* SPDX-License-Identifier: MIT */
/* rt.c - draws the values of one batch, makes each call through the shim, and checks everything
 *
 *     batch --backend ours|system|fault:NAME --seed N --rounds N [--from I] [--limit N]
 *
 * Each signature gets a closure, and `rounds` calls of each kind (plain, dirty). The handler
 * compares every argument bit for bit where the type has bits (padding does not count), writes a
 * random result and leaves garbage in every register it may. A failing call prints the prototype,
 * the values, what was expected and what was seen. Exit: 0 all right, 1 failures, 2 misuse.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt.h"

#define MAX_ARGS 1024
#define ARENA (1u << 20)
#define DEPTH 2
#ifndef FZ_STACK_ALIGNMENT
#define FZ_STACK_ALIGNMENT 16
#endif
/* The most that an argument is aligned to. */
#ifndef FZ_ARGUMENT_ALIGNMENT
#define FZ_ARGUMENT_ALIGNMENT FZ_STACK_ALIGNMENT
#endif
#define BIG (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* One call under way: its values, and what went wrong so far. */
struct call {
    const fz_sig *sig;
    const fz_backend *backend;
    ffi_cif *cif;
    void *code;
    const char *mode;
    unsigned round, depth, runs, bad;
    uint64_t rng;
    fz_value values[MAX_ARGS];
    unsigned char result[8192]; /* what the handler wrote */
    unsigned char arena[ARENA] __attribute__((aligned(64)));
};

fz_canary fz_guard;
void *fz_entry = (void *)fz_shim;
uint64_t fz_magic;
#ifdef FFI_TARGET_HAS_COMPLEX_TYPE
#define COMPLEX(name, type, part)                                                                  \
    static ffi_type *part##_only[] = {&ffi_type_##part, NULL};                                     \
    ffi_type name = {2 * sizeof(type), sizeof(type), FFI_TYPE_COMPLEX, part##_only}
#else
#define COMPLEX(name, type, part)                                                                  \
    static ffi_type *part##_twice[] = {&ffi_type_##part, &ffi_type_##part, NULL};                  \
    ffi_type name = {2 * sizeof(type), sizeof(type), FFI_TYPE_STRUCT, part##_twice}
COMPLEX(fz_complex_float, float, float);
COMPLEX(fz_complex_double, double, double);
COMPLEX(fz_complex_longdouble, long double, longdouble);
#endif
COMPLEX(fz_complex_schar, char, schar);
COMPLEX(fz_complex_short, short, sshort);
COMPLEX(fz_complex_int, int, sint);
COMPLEX(fz_complex_long, long, slong);
static ffi_type *no_elements[] = {NULL};
ffi_type fz_nothing = {0, 1, FFI_TYPE_STRUCT, no_elements};
static struct call calls[DEPTH];
static struct fz_frame frames[DEPTH];
static unsigned long n_calls, n_args, n_failed;
static uint64_t seed = 1;
static const fz_sig *volatile current;

static void hex(const char *what, const fz_type *type, const unsigned char *bytes)
{
    printf("    %s", what);
    for (unsigned l = 0; l < type->nleaves; l++) {
        printf(" ");
        for (unsigned b = type->leaves[l].size; b-- > 0;)
            printf("%02x", bytes[type->leaves[l].offset + b]);
    }
    printf("\n");
}

void fz_complain(void *call, const char *text, ...)
{
    struct call *c = call;
    va_list ap;
    if (!c->bad++) {
        printf("FAIL index %u (%s), %s call, round %u%s\n  %s\n", c->sig->index, c->sig->label,
               c->mode, c->round, c->depth ? ", nested in the handler" : "", c->sig->prototype);
        for (unsigned i = 0; i < c->sig->nargs && i < 64; i++) {
            char name[24];
            snprintf(name, sizeof name, "arg %u:", i);
            hex(name, c->sig->args[i], c->values[i]);
        }
    }
    va_start(ap, text);
    printf("  ");
    vprintf(text, ap);
    printf("\n");
    va_end(ap);
}

void fz_garbage(uint64_t *rng, void *to, size_t n)
{
    static const uint64_t habits[4] = {0xaaaaaaaaaaaaaaaau, ~0ull, 0x5555555555555555u, 0};
    unsigned kind = fz_random(rng) & 7;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = kind < 4 ? habits[kind] : fz_random(rng);
        memcpy((char *)to + i, &word, n - i < 8 ? n - i : 8);
    }
}

/* A float or a double, or two floats, without signalling NaNs where those do not last. */
static uint64_t quiet(uint64_t bits, unsigned size)
{
#ifdef FZ_QUIET_NANS
    const uint64_t one = UINT64_C(0x7f800000), wide = UINT64_C(0x7ff) << 52;
    bits |= (bits & one) == one ? UINT64_C(1) << 22 : 0;
    bits |= (bits & one << 32) == one << 32 ? UINT64_C(1) << 54 : 0;
    bits |= size == 8 && (bits & wide) == wide ? UINT64_C(1) << 51 : 0;
#endif
    (void)size;
    return bits;
}

/* A legal value of `type` at `to`, over whatever garbage is there. */
static void draw(uint64_t *rng, const fz_type *type, unsigned char *to)
{
    for (unsigned l = 0; l < type->nleaves; l++) {
        const fz_leaf *leaf = &type->leaves[l];
        unsigned char *at = to + leaf->offset;
        uint64_t bits = fz_random(rng), how = fz_random(rng) & 15;
        if (leaf->kind == 'b') {
            *at = bits & 1;
        } else if (leaf->kind == 'x') { /* a number, zero or infinity; no unsupported encoding */
            uint16_t exponent = how == 0 ? 0 : how == 1 ? 0x7fff : 1 + (bits >> 8) % 0x7ffe;
            uint64_t mantissa = how < 2 ? (uint64_t)(how == 1) << 63 : fz_random(rng) | 1ull << 63;
            exponent |= (uint16_t)(bits & 1) << 15;
            memcpy(at, &mantissa, 8);
            memcpy(at + 8, &exponent, 2);
        } else {
            unsigned size = leaf->size < 8 ? leaf->size : 8;
            bits = how == 0 ? 0 : how == 1 ? ~0ull : how == 2 ? 1ull << (size * 8 - 1) : bits;
            bits = leaf->kind == 'f' ? quiet(bits, size) : bits;
            memcpy(at, &bits, size);
            if (leaf->size > 8) { /* a long double of 16 bytes */
                bits = fz_random(rng);
                memcpy(at + 8, &bits, leaf->size - 8u);
            }
        }
    }
}

static int same(const fz_type *type, const void *a, const void *b)
{
    for (unsigned l = 0; l < type->nleaves; l++) {
        const fz_leaf *leaf = &type->leaves[l];
        if (memcmp((const char *)a + leaf->offset, (const char *)b + leaf->offset, leaf->size))
            return 0;
    }
    return 1;
}

static void one_call(struct call *c, int dirty);

/* The alignment of an address of this type. gcc aligns memory that a caller holds for a callee no
 * more than the stack. */
static unsigned alignment(const fz_type *type, unsigned most)
{
    return type->align < most ? type->align : most;
}

static void check_args(struct call *c, void **args, const char *when)
{
    for (unsigned i = 0; i < c->sig->nargs; i++) {
        const fz_type *type = c->sig->args[i];
        unsigned to = alignment(type, FZ_ARGUMENT_ALIGNMENT);
        if ((uintptr_t)args[i] % to)
            fz_complain(c, "argument %u is at %p, not aligned to %u", i, args[i], to);
        if (same(type, args[i], c->values[i]))
            continue;
        fz_complain(c, "argument %u%s", i, when);
        hex("expected", type, c->values[i]);
        hex("seen    ", type, args[i]);
    }
}

/* The state in which a handler must start. */
static void check_entry(struct call *c)
{
#ifndef FZ_FRAME_IS_NO_STACK /* the frame's address says nothing; fz_check_handler_state() looks   \
                              */
    if ((uintptr_t)__builtin_frame_address(0) % FZ_STACK_ALIGNMENT)
        fz_complain(c, "the handler's stack is not aligned to %d", FZ_STACK_ALIGNMENT);
#endif
    fz_check_handler_state(&frames[c->depth], c);
}

/* Write an integer result, either as its own type or as an ffi_arg. */
static uint64_t widened(const fz_type *type, const unsigned char *bytes)
{
    unsigned unused = 64 - 8 * type->size;
    uint64_t wide = 0;
    memcpy((char *)&wide + (BIG ? unused / 8 : 0), bytes, type->size);
    return type->is_signed ? (uint64_t)((int64_t)(wide << unused) >> unused) : wide;
}

static void write_result(struct call *c, unsigned char *ret)
{
    const fz_type *type = c->sig->result;
    unsigned char bytes[sizeof c->result] __attribute__((aligned(16)));
    if (!type || !type->in_memory) /* the promised room of an ffi_arg */
        fz_garbage(&c->rng, ret, sizeof(ffi_arg));
    if (!type)
        return;
    unsigned to = alignment(type, FZ_STACK_ALIGNMENT);
    if ((uintptr_t)ret % to)
        fz_complain(c, "the result's room %p is not aligned to %u", (void *)ret, to);
    fz_garbage(&c->rng, bytes, type->size);
    draw(&c->rng, type, bytes);
    memcpy(c->result, bytes, type->size);
    if (type->whole && (BIG || fz_random(&c->rng) & 1)) {
        uint64_t wide = widened(type, bytes);
        memcpy(ret, &wide, type->whole);
    } else {
        memcpy(ret, bytes, type->size);
    }
}

static void handler(ffi_cif *cif, void *ret, void **args, void *user)
{
    struct call *c = user;
    if (c < calls || c >= calls + DEPTH || ((char *)c - (char *)calls) % (ptrdiff_t)sizeof *c) {
        c = &calls[0];
        fz_complain(c, "user data: expected %p, seen %p", (void *)c, user);
    }
    c = &calls[calls[1].depth]; /* the innermost call under way: nested calls share one closure */
    check_entry(c);
    if (c->runs++)
        fz_complain(c, "the handler ran %u times", c->runs);
    if (cif != c->cif)
        fz_complain(c, "cif: expected %p, seen %p", (void *)c->cif, (void *)cif);
    check_args(c, args, "");
    if (!c->depth && !c->backend->is_fault && fz_random(&c->rng) % 4 == 0) {
        struct call *in = &calls[1];
        in->sig = c->sig, in->backend = c->backend, in->cif = cif, in->code = c->code;
        in->round = c->round, in->rng = fz_random(&c->rng), in->depth = 1;
        fz_canary guard = fz_guard;
        one_call(in, fz_random(&c->rng) & 1);
        fz_guard = guard;
        fz_frame = &frames[0];
        in->depth = 0;
        c->bad += in->bad;
        check_args(c, args, " after a nested call");
    }
    write_result(c, ret);
    check_args(c, args, " after the result was written");
    if (fz_random(&c->rng) & 1) /* the arguments belong to the callee, which may write to them */
        for (unsigned i = 0; i < c->sig->nargs; i++)
            fz_garbage(&c->rng, args[i], c->sig->args[i]->size);
    fz_clobber();
}

__attribute__((noinline)) static void dirty_stack(uint64_t word)
{
    volatile uint64_t below[3072];
    for (unsigned i = 0; i < sizeof below / sizeof *below; i++)
        below[i] = word;
}

static void check_result(struct call *c, const unsigned char *r, const unsigned char *before)
{
    const fz_type *type = c->sig->result;
    unsigned used = 0;
    if (type) {
        const int wide = type->whole && c->mode[0] == 'd';
        const unsigned char *value = r + (wide && BIG ? type->whole - type->size : 0);
        used = wide ? type->whole : type->size;
        if (!same(type, value, c->result)) {
            fz_complain(c, "result");
            hex("expected", type, c->result);
            hex("seen    ", type, value);
        }
        if (wide) {
            uint64_t got = 0, want = widened(type, c->result);
            memcpy(&got, r, type->whole);
            if ((uint32_t)got != (uint32_t)want)
                fz_complain(c, "result extended to 32 bits: expected %#x, seen %#x", (uint32_t)want,
                            (uint32_t)got);
        }
    }
    if (memcmp(r + used, before + used, 64))
        fz_complain(c, "bytes behind the result were overwritten");
}

static void check_state(struct call *c, struct fz_frame *f)
{
    for (int i = 0; i < FZ_SAVED; i++)
        if (f->seen[i] != f->set[i])
            fz_complain(c, "%s: expected %#" PRIx64 ", seen %#" PRIx64, fz_saved_names[i],
                        f->set[i], f->seen[i]);
    void *popped = (char *)f->sp + c->sig->pops;
    if (f->sp_after != popped)
        fz_complain(c, "sp: expected %p, seen %p", popped, f->sp_after);
    fz_check_state(f, c->sig->result, c);
}

static void one_call(struct call *c, int dirty)
{
    unsigned char room[2][sizeof c->result + 64] __attribute__((aligned(16)));
    struct fz_frame *f = &frames[c->depth];
    size_t at = 16; /* a wider value may begin before the first */
    c->mode = dirty ? "dirty" : "plain";
    c->runs = c->bad = 0;
    for (unsigned i = 0; i < c->sig->nargs; i++) {
        size_t size = (c->sig->args[i]->size + 31u) & ~15u;
        if (at + size > ARENA)
            abort();
        c->values[i] = c->arena + at;
        fz_garbage(&c->rng, c->values[i], size);
        draw(&c->rng, c->sig->args[i], c->values[i]);
        at += size;
    }
    fz_garbage(&c->rng, room[0], sizeof room[0]);
    memcpy(room[1], room[0], sizeof room[0]);
    fz_magic = fz_random(&c->rng) | 1;
    for (unsigned i = 0; i < 8; i++)
        fz_guard.w[i] = fz_magic + i * 0x0101010101010101u;
    memset(f, 0, sizeof *f);
    f->target = fz_through(c->code);
    for (int i = 0; i < FZ_SAVED; i++)
        f->set[i] = fz_random(&c->rng);
    fz_draw_state(f, &c->rng);
#ifdef FZ_POPS
    FZ_POPS(f, c->sig->pops);
#endif
    f->top = dirty && fz_has_canary ? __builtin_frame_address(0) : NULL;
    fz_frame = f;
    const uint64_t own = fz_state_before();
    dirty_stack(0xaaaaaaaaaaaaaaaau);
    (dirty ? c->sig->dirty : c->sig->plain)(c->values, room[0]);
    fz_state_after(own);
    n_calls++, n_args += c->sig->nargs;
    if (c->runs != 1)
        fz_complain(c, "the handler ran %u times", c->runs);
    check_result(c, room[0], room[1]);
    check_state(c, f);
    if (f->top && !f->canaries)
        fz_complain(c, "the canary above the outgoing arguments was overwritten");
}

static unsigned one_signature(const fz_sig *sig, const fz_backend *backend, unsigned rounds)
{
    ffi_cif cif;
    ffi_type *types[MAX_ARGS];
    struct call *c = &calls[0];
    c->sig = sig, c->backend = backend, c->cif = &cif, c->bad = 0, c->mode = "no";
    c->rng = seed * 0x2545f4914f6cdd1du + sig->index;
    current = sig;
    if (sig->nargs > MAX_ARGS || (sig->result && sig->result->size > sizeof c->result))
        abort();
    for (unsigned i = 0; i < sig->nargs; i++)
        types[i] = sig->args[i]->ffi;
    ffi_type *rtype = sig->result ? sig->result->ffi : &ffi_type_void;
    if (ffi_prep_cif(&cif, fz_abi, sig->nargs, rtype, types) != FFI_OK) {
        fz_complain(c, "ffi_prep_cif refused the signature");
        return 1;
    }
    for (unsigned i = 0; i < sig->nargs; i++)
        if (types[i]->size != sig->args[i]->size || types[i]->alignment != sig->args[i]->align)
            fz_complain(c, "libffi lays argument %u out as %zu/%u", i, types[i]->size,
                        types[i]->alignment);
    static const unsigned extras[] = {0, 0, 0, 8, 64, 100, 1000};
    unsigned extra = extras[fz_random(&c->rng) % 7];
    void *closure = backend->make(&cif, handler, c, extra, &c->code);
    if (!closure) {
        fz_complain(c, "no closure");
        return 1;
    }
    unsigned bad = c->bad;
    for (c->round = 0; c->round < 2 * rounds && !bad; c->round++) {
        one_call(c, c->round & 1);
        bad += c->bad;
    }
    const char *why = backend->verify(closure, extra);
    if (why)
        fz_complain(c, "%s", why);
    why = backend->drop(closure);
    if (why)
        fz_complain(c, "free: %s", why);
    return bad + c->bad;
}

static void crashed(int sig)
{
    char text[160];
    int n = snprintf(text, sizeof text, "\nCRASH index %u (%s): signal %d\n  ",
                     current ? current->index : 0, current ? current->label : "", sig);
    ssize_t unused = write(1, text, (size_t)n);
    if (current) {
        unused = write(1, current->prototype, strlen(current->prototype));
        unused = write(1, "\n", 1);
    }
    (void)unused;
    signal(sig, SIG_DFL);
    raise(sig);
}

static void catch_crashes(void)
{
    static char alternate[1 << 16];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGALRM};
    stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&ss, NULL);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction sa = {.sa_handler = crashed, .sa_flags = SA_ONSTACK | SA_NODEFER};
        sigaction(signals[i], &sa, NULL);
    }
}

int main(int argc, char **argv)
{
    const char *backend_name = "ours";
    unsigned rounds = 2, from = 0;
    unsigned long limit = 20;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--backend"))
            backend_name = argv[i + 1];
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--rounds"))
            rounds = (unsigned)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--from"))
            from = (unsigned)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--limit"))
            limit = strtoul(argv[i + 1], NULL, 0);
    }
    const fz_backend *backend = fz_backend_by_name(backend_name);
    if (!backend) {
        fprintf(stderr, "unknown backend %s\n", backend_name);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    catch_crashes();
    alarm(240);
    unsigned done = 0;
    for (unsigned i = 0; i < fz_nsigs && n_failed < limit; i++) {
        if (fz_sigs[i].index < from)
            continue;
        n_failed += one_signature(&fz_sigs[i], backend, rounds) != 0;
        done++;
    }
    printf("done signatures=%u calls=%lu args=%lu failed=%lu\n", done, n_calls, n_args, n_failed);
    return n_failed != 0;
}
