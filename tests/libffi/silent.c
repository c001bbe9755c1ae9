/* SPDX-License-Identifier: MIT */
/* silent.c - a handler that writes no result: the caller gets zero, and not what lay on the stack
 *
 * A handler that fails often returns without a result (ctypes' does when the Python function
 * raises), and a caller that frees or follows what it took for a pointer then crashes. So every
 * entry, libffi's own and ours, clears the room for results that come back in registers: closures
 * of every ABI that the target has, raw ones and Go's. Memory that the caller gives for a result is
 * the caller's, and is not looked at. Exit status: 0 and how many results were looked at, or 1 with
 * what was wrong.
 */
#include <alloca.h>
#include <complex.h>
#include <ffi.h>
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *floor_of_caller; /* what lies below belongs to the entry */
static int in_memory, calls, zeros, bad;

static void note(void *ret)
{
    in_memory = (char *)ret >= floor_of_caller;
    calls++;
}

static void silent(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif, (void)args, (void)data;
    note(ret);
}

static void silent_raw(ffi_cif *cif, void *ret, ffi_raw *args, void *data)
{
    (void)cif, (void)args, (void)data;
    note(ret);
}

/* Many write a char and no more. Where libffi loads all of an ffi_arg, that was never enough. */
static void one_char(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif, (void)data;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ || defined __arm__
    *(ffi_sarg *)ret = -*(int *)args[0];
#else
    *(signed char *)ret = (signed char)-*(int *)args[0];
#endif
}

__attribute__((noinline)) static void dirty_stack(void)
{
    volatile unsigned char below[16384];
    for (unsigned i = 0; i < sizeof below; i++)
        below[i] = 0xa5;
}

static void look(const char *what, const void *got, size_t bytes)
{
    const unsigned char *b = got;
    size_t i = 0;
    if (in_memory)
        return;
    while (i < bytes && b[i] == 0)
        i++;
    zeros += i == bytes;
    if (i < bytes) {
        fprintf(stderr, "%s: byte %zu of the result is %#x\n", what, i, b[i]);
        bad = 1;
    }
}

static void *closure(ffi_cif *cif, ffi_abi abi, ffi_type *result, int raw)
{
    static ffi_type *args[] = {&ffi_type_sint};
    void *code = NULL;
    void *c = ffi_closure_alloc(raw ? sizeof(ffi_raw_closure) : sizeof(ffi_closure), &code);
    if (!c || ffi_prep_cif(cif, abi, 1, result, args) != FFI_OK ||
        (raw ? ffi_prep_raw_closure_loc(c, cif, silent_raw, NULL, code)
             : ffi_prep_closure_loc(c, cif, silent, NULL, code)) != FFI_OK) {
        fprintf(stderr, "no closure for ABI %d\n", (int)abi);
        exit(1);
    }
    return code; /* and the closure stays, to the end */
}

#define BYTES(T)                                                                                   \
    (__builtin_types_compatible_p(T, long double) && LDBL_MANT_DIG == 64 ? 10 : sizeof(T))
#define TRY(abi, convention, raw, T, type)                                                         \
    do {                                                                                           \
        static ffi_cif cif;                                                                        \
        void *code = closure(&cif, abi, type, raw);                                                \
        floor_of_caller = alloca(16);                                                              \
        dirty_stack();                                                                             \
        T got = ((T(convention *)(int))code)(7);                                                   \
        look(#abi ", " #raw ": " #T, &got, BYTES(T));                                              \
    } while (0)

static ffi_type *two_floats[] = {&ffi_type_float, &ffi_type_float, NULL};
static ffi_type *four_floats[] = {&ffi_type_float, &ffi_type_float, &ffi_type_float,
                                  &ffi_type_float, NULL};
static ffi_type *two_doubles[] = {&ffi_type_double, &ffi_type_double, NULL};
static ffi_type *four_doubles[] = {&ffi_type_double, &ffi_type_double, &ffi_type_double,
                                   &ffi_type_double, NULL};
static ffi_type *long_and_double[] = {&ffi_type_slong, &ffi_type_double, NULL};
static ffi_type of_1, of_2, of_4, of_8, of_16, of_ff, of_ffff, of_dd, of_dddd, of_ld;

#define CHARS(n)                                                                                   \
    typedef struct {                                                                               \
        char c[n];                                                                                 \
    } chars_##n
CHARS(1);
CHARS(2);
CHARS(4);
CHARS(8);
CHARS(16);
typedef struct {
    float a, b;
} floats_2;
typedef struct {
    float a, b, c, d;
} floats_4;
typedef struct {
    double a, b;
} doubles_2;
typedef struct {
    double a, b, c, d;
} doubles_4;
typedef struct {
    long a;
    double b;
} mixed;

static void describe(ffi_type *type, ffi_type **elements)
{
    *type = (ffi_type){0, 0, FFI_TYPE_STRUCT, elements};
}

static void describe_chars(ffi_type *type, int n)
{
    ffi_type **elements = calloc((size_t)n + 1, sizeof *elements);
    for (int i = 0; elements && i < n; i++)
        elements[i] = &ffi_type_schar;
    describe(type, elements);
}

#define SCALARS(abi, convention, raw)                                                              \
    do {                                                                                           \
        TRY(abi, convention, raw, signed char, &ffi_type_schar);                                   \
        TRY(abi, convention, raw, unsigned char, &ffi_type_uchar);                                 \
        TRY(abi, convention, raw, short, &ffi_type_sshort);                                        \
        TRY(abi, convention, raw, unsigned short, &ffi_type_ushort);                               \
        TRY(abi, convention, raw, int, &ffi_type_sint);                                            \
        TRY(abi, convention, raw, unsigned, &ffi_type_uint);                                       \
        TRY(abi, convention, raw, int64_t, &ffi_type_sint64);                                      \
        TRY(abi, convention, raw, void *, &ffi_type_pointer);                                      \
        TRY(abi, convention, raw, float, &ffi_type_float);                                         \
        TRY(abi, convention, raw, double, &ffi_type_double);                                       \
    } while (0)

/* libffi's raw API has no structs on some targets; what it gives besides is not tried. */
static void everything(void)
{
    SCALARS(FFI_DEFAULT_ABI, , 0);
    SCALARS(FFI_DEFAULT_ABI, , 1);
    TRY(FFI_DEFAULT_ABI, , 0, long double, &ffi_type_longdouble);
    TRY(FFI_DEFAULT_ABI, , 0, chars_1, &of_1);
    TRY(FFI_DEFAULT_ABI, , 0, chars_2, &of_2);
    TRY(FFI_DEFAULT_ABI, , 0, chars_4, &of_4);
    TRY(FFI_DEFAULT_ABI, , 0, chars_8, &of_8);
    TRY(FFI_DEFAULT_ABI, , 0, chars_16, &of_16);
    TRY(FFI_DEFAULT_ABI, , 0, floats_2, &of_ff);
    TRY(FFI_DEFAULT_ABI, , 0, floats_4, &of_ffff);
    TRY(FFI_DEFAULT_ABI, , 0, doubles_2, &of_dd);
    TRY(FFI_DEFAULT_ABI, , 0, doubles_4, &of_dddd);
    TRY(FFI_DEFAULT_ABI, , 0, mixed, &of_ld);
#ifdef FFI_TARGET_HAS_COMPLEX_TYPE
    TRY(FFI_DEFAULT_ABI, , 0, float complex, &ffi_type_complex_float);
    TRY(FFI_DEFAULT_ABI, , 0, double complex, &ffi_type_complex_double);
#endif
#ifdef __x86_64__
    SCALARS(FFI_WIN64, __attribute__((ms_abi)), 0);
    SCALARS(FFI_GNUW64, __attribute__((ms_abi)), 0);
    TRY(FFI_WIN64, __attribute__((ms_abi)), 0, chars_1, &of_1);
    TRY(FFI_WIN64, __attribute__((ms_abi)), 0, chars_8, &of_8);
    TRY(FFI_WIN64, __attribute__((ms_abi)), 0, chars_16, &of_16);
#endif
#ifdef __i386__
    SCALARS(FFI_STDCALL, __attribute__((stdcall)), 0);
    SCALARS(FFI_THISCALL, __attribute__((thiscall)), 0);
    SCALARS(FFI_FASTCALL, __attribute__((fastcall)), 0);
    SCALARS(FFI_THISCALL, __attribute__((thiscall)), 1);
    SCALARS(FFI_MS_CDECL, , 0);
#if defined FFI_VERSION_NUMBER && FFI_VERSION_NUMBER >= 30800 /* upstream's crash before */
    SCALARS(FFI_REGISTER, __attribute__((regparm(3))), 0);
#endif
    TRY(FFI_DEFAULT_ABI, , 1, long double, &ffi_type_longdouble);
#endif
}

#if FFI_GO_CLOSURES
/* Go's closures take a register that C has no name for: libffi's call sets it. What comes back in
 * registers is stored by the same library. */
static void go(const char *what, ffi_type *result, size_t bytes)
{
    static ffi_go_closure c;
    ffi_type *types[] = {&ffi_type_sint};
    ffi_cif cif;
    int seven = 7;
    void *args[] = {&seven};
    unsigned char got[64] __attribute__((aligned(16)));
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, result, types) != FFI_OK ||
        ffi_prep_go_closure(&c, &cif, silent) != FFI_OK) {
        fprintf(stderr, "no Go closure for %s\n", what);
        exit(1);
    }
    memset(got, 0xa5, sizeof got);
    floor_of_caller = alloca(16);
    dirty_stack();
    void (*code)(void);
    memcpy(&code, &c.tramp, sizeof code);
    ffi_call_go(&cif, code, got, args, &c);
    in_memory = 0; /* its frame is libffi's, too */
    look(what, got, bytes);
}

static void all_of_go(void)
{
    go("Go: int", &ffi_type_sint, sizeof(int));
    go("Go: long", &ffi_type_slong, sizeof(long));
    go("Go: pointer", &ffi_type_pointer, sizeof(void *));
    go("Go: double", &ffi_type_double, sizeof(double));
    go("Go: float", &ffi_type_float, sizeof(float));
}
#else
static void all_of_go(void)
{
}
#endif

static void what_is_written_arrives(void)
{
    static ffi_cif cif;
    static ffi_type *types[] = {&ffi_type_sint};
    void *code = NULL;
    ffi_closure *c = ffi_closure_alloc(sizeof *c, &code);
    if (!c || ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_schar, types) != FFI_OK ||
        ffi_prep_closure_loc(c, &cif, one_char, NULL, code) != FFI_OK)
        exit(1);
    dirty_stack();
    int got = ((signed char (*)(int))code)(7);
    if (got != -7) {
        fprintf(stderr, "a handler that writes one char: %d\n", got);
        bad = 1;
    }
}

int main(void)
{
    describe_chars(&of_1, 1);
    describe_chars(&of_2, 2);
    describe_chars(&of_4, 4);
    describe_chars(&of_8, 8);
    describe_chars(&of_16, 16);
    describe(&of_ff, two_floats);
    describe(&of_ffff, four_floats);
    describe(&of_dd, two_doubles);
    describe(&of_dddd, four_doubles);
    describe(&of_ld, long_and_double);
    everything();
    all_of_go();
    what_is_written_arrives();
    if (zeros < 20 || zeros > calls) { /* at least the scalars of both kinds */
        fprintf(stderr, "only %d of %d results came back in registers as zero\n", zeros, calls);
        bad = 1;
    }
    if (!bad)
        printf("%d results of %d calls are zero\n", zeros, calls);
    return bad;
}
