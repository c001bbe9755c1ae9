/* SPDX-License-Identifier: MIT */
/* silent.c - a handler that writes no result: every kind of entry returns zero
 *
 * Before each call the stack below the caller is filled, so that what an entry does not clear
 * shows. One case for each way in which results come back (arch.h, FS_TAIL_*) and for each of the
 * entries (entry.S): straight-line ones by number and class of arguments, planned ones, the long
 * one.
 */
#include "fs_test.h"
#include "into_memory.h" /* of the folder of this architecture */
#include <complex.h>

/* Does a result of this type come back in memory, which stays? Those that no architecture returns
 * so need not be asked about. */
#ifndef COMES_IN_MEMORY
#define COMES_IN_MEMORY(type) false
#endif

#define MOST 24

static ffi_type *longs[MOST], *doubles[MOST], *mixed[MOST];

static void silent(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)ret, (void)args;
    ++*(int *)user;
}

__attribute__((noinline)) static void dirty_stack(void)
{
    volatile unsigned char below[16384];
    for (unsigned i = 0; i < sizeof below; i++)
        below[i] = 0xa5;
}

static void fill_types(void)
{
    for (unsigned i = 0; i < MOST; i++) {
        longs[i] = &ffi_type_slong;
        doubles[i] = &ffi_type_double;
        mixed[i] = i % 2 ? &ffi_type_double : &ffi_type_slong;
    }
}

/* A closure of `nargs` such arguments. It and its cif stay: the process ends soon. */
static void *silent_closure(ffi_type *result, ffi_type **types, unsigned nargs, int *runs)
{
    ffi_cif *cif = calloc(1, sizeof *cif);
    void *code;
    CHECK(cif && ffi_prep_cif(cif, FFI_DEFAULT_ABI, nargs, result, types) == FFI_OK);
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    CHECK(ffi_static_prep(c, cif, silent, runs, 0) == 0);
    return code;
}

static int all_zero(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        if (b[i])
            return 0;
    return 1;
}

#define EXPECT_ZERO(T, bytes, call)                                                                \
    do {                                                                                           \
        dirty_stack();                                                                             \
        T got = (call);                                                                            \
        CHECK(all_zero(&got, sizeof got < (bytes) ? sizeof got : (bytes)), #T ", %u arguments",    \
              nargs);                                                                              \
        CHECK(runs == ++expected, "the handler ran %d times", runs);                               \
    } while (0)

#define L long
#define D double
/* Every count of one class that has its own entry, and more, whose extra ones go on the stack. */
#define SILENT_CASE(name, T, bytes, ...)                                                           \
    CASE(name)                                                                                     \
    {                                                                                              \
        ffi_type *type = __VA_ARGS__;                                                              \
        int runs = 0, expected = 0;                                                                \
        if (COMES_IN_MEMORY(type))                                                                 \
            test_skip("comes back in memory here");                                                \
        fill_types();                                                                              \
        for (unsigned nargs = 0; nargs <= MOST; nargs++) {                                         \
            void *g = silent_closure(type, longs, nargs, &runs);                                   \
            void *v = silent_closure(type, doubles, nargs, &runs);                                 \
            void *m = silent_closure(type, mixed, nargs, &runs);                                   \
            EXPECT_ZERO(T, bytes, ((T(*)(ALL_LONGS))g)(ONES));                                     \
            EXPECT_ZERO(T, bytes, ((T(*)(ALL_DOUBLES))v)(ONES));                                   \
            EXPECT_ZERO(T, bytes, ((T(*)(ALL_MIXED))m)(ONES));                                     \
        }                                                                                          \
    }
/* As many as the longest takes: a callee may be given more than it looks at. */
#define FOUR(a, b) a, b, a, b
#define TWENTY_FOUR(a, b) FOUR(a, b), FOUR(a, b), FOUR(a, b), FOUR(a, b), FOUR(a, b), FOUR(a, b)
#define ALL_LONGS TWENTY_FOUR(L, L)
#define ALL_DOUBLES TWENTY_FOUR(D, D)
#define ALL_MIXED TWENTY_FOUR(L, D)
#define ONES TWENTY_FOUR(1, 1)

#define STRUCT(...)                                                                                \
    &(ffi_type)                                                                                    \
    {                                                                                              \
        .type = FFI_TYPE_STRUCT, .elements = (ffi_type *[])                                        \
        {                                                                                          \
            __VA_ARGS__, NULL                                                                      \
        }                                                                                          \
    }

typedef struct {
    long a, b;
} two_longs;
typedef struct {
    double a, b;
} two_doubles;
typedef struct {
    long a;
    double b;
} long_double_pair;
typedef struct {
    double a;
    long b;
} double_long_pair;
typedef struct {
    int a, b, c, d;
} four_ints;
typedef struct {
    long double a;
} one_long_double;

/* Where libffi has no complex types, structs of two are passed alike. */
#ifdef FFI_TARGET_HAS_COMPLEX_TYPE
#define COMPLEX(part) (&ffi_type_complex_##part)
#else
#define COMPLEX(part) STRUCT(&ffi_type_##part, &ffi_type_##part)
#endif

SILENT_CASE(signed_char, signed char, 1, &ffi_type_schar)
SILENT_CASE(unsigned_char, unsigned char, 1, &ffi_type_uchar)
SILENT_CASE(signed_short, short, 2, &ffi_type_sshort)
SILENT_CASE(unsigned_short, unsigned short, 2, &ffi_type_ushort)
SILENT_CASE(signed_int, int, 4, &ffi_type_sint)
SILENT_CASE(unsigned_int, unsigned, 4, &ffi_type_uint)
SILENT_CASE(signed_long, long, 8, &ffi_type_slong)
SILENT_CASE(pointer, void *, 8, &ffi_type_pointer)
SILENT_CASE(single_float, float, 4, &ffi_type_float)
SILENT_CASE(double_float, double, 8, &ffi_type_double)
SILENT_CASE(long_double, long double, 10, &ffi_type_longdouble)
SILENT_CASE(complex_float, float complex, 8, COMPLEX(float))
SILENT_CASE(complex_double, double complex, 16, COMPLEX(double))
SILENT_CASE(struct_of_two_longs, two_longs, 16, STRUCT(&ffi_type_slong, &ffi_type_slong))
SILENT_CASE(struct_of_two_doubles, two_doubles, 16, STRUCT(&ffi_type_double, &ffi_type_double))
SILENT_CASE(struct_of_long_and_double, long_double_pair, 16,
            STRUCT(&ffi_type_slong, &ffi_type_double))
SILENT_CASE(struct_of_double_and_long, double_long_pair, 16,
            STRUCT(&ffi_type_double, &ffi_type_slong))
SILENT_CASE(struct_of_four_ints, four_ints, 16,
            STRUCT(&ffi_type_sint, &ffi_type_sint, &ffi_type_sint, &ffi_type_sint))
SILENT_CASE(struct_of_long_double, one_long_double, 10, STRUCT(&ffi_type_longdouble))

/* Both parts, without what pads them on x86-64. */
#define VALUE (sizeof(long double) < 10 ? sizeof(long double) : 10)
CASE(complex_long_double)
{
    int runs = 0, expected = 0;
    ffi_type *type = COMPLEX(longdouble);
    if (COMES_IN_MEMORY(type))
        test_skip("comes back in memory here");
    fill_types();
    for (unsigned nargs = 0; nargs <= MOST; nargs++) {
        void *code = silent_closure(type, mixed, nargs, &runs);
        dirty_stack();
        long double complex got = ((long double complex (*)(ALL_MIXED))code)(ONES);
        long double part[2] = {creall(got), cimagl(got)};
        CHECK(all_zero(&part[0], VALUE) && all_zero(&part[1], VALUE), "%u arguments", nargs);
        CHECK(runs == ++expected);
    }
}

/* What the caller gave for the result is the caller's: it stays. */
typedef struct {
    long a, b, c;
} three_longs;

CASE(memory_of_the_caller_stays)
{
    ffi_type *type = STRUCT(&ffi_type_slong, &ffi_type_slong, &ffi_type_slong);
    int runs = 0;
    fill_types();
    for (unsigned nargs = 0; nargs <= MOST; nargs++) {
        three_longs room[2] = {{11, 22, 33}, {44, 55, 66}};
        void *code = silent_closure(type, longs, nargs, &runs);
        dirty_stack();
        into_memory(code, room);
        CHECK(runs == (int)nargs + 1);
        CHECK(room[0].a == 11 && room[0].b == 22 && room[0].c == 33 && room[1].a == 44);
    }
}

/* void: nothing comes back, and the handler finds memory that it may write to. */
static void write_anyway(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)args;
    memset(ret, 0x5a, sizeof(ffi_arg));
    ++*(int *)user;
}

CASE(no_result)
{
    int runs = 0;
    fill_types();
    for (unsigned nargs = 0; nargs <= MOST; nargs++) {
        ffi_cif cif;
        void *code;
        CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, nargs, &ffi_type_void, mixed) == FFI_OK);
        ffi_static_closure *c = test_alloc(sizeof *c, &code);
        CHECK(ffi_static_prep(c, &cif, write_anyway, &runs, 0) == 0);
        ((void (*)(ALL_MIXED))code)(ONES);
        CHECK(runs == (int)nargs + 1 && ffi_static_free(c) == 0);
    }
}

/* A handler may write as little as its type has. */
static void write_minus_seven(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)args, (void)user;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ /* or has to widen it */
    (void)cif;
    *(ffi_sarg *)ret = -7;
#else
    memset(ret, 0xf9, 1);
    memset((char *)ret + 1, 0xff, cif->rtype->size - 1);
#endif
}

CASE(narrow_results_are_widened)
{
    ffi_type *types[] = {&ffi_type_schar, &ffi_type_sshort, &ffi_type_sint, &ffi_type_slong};
    fill_types();
    for (unsigned i = 0; i < 4; i++)
        for (unsigned nargs = 0; nargs <= MOST; nargs++) {
            ffi_cif cif;
            void *code;
            CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, nargs, types[i], mixed) == FFI_OK);
            ffi_static_closure *c = test_alloc(sizeof *c, &code);
            CHECK(ffi_static_prep(c, &cif, write_minus_seven, NULL, 0) == 0);
            dirty_stack();
            CHECK(((long (*)(ALL_MIXED))code)(ONES) == -7, "%u bytes, %u arguments",
                  (unsigned)types[i]->size, nargs);
            CHECK(ffi_static_free(c) == 0);
        }
}
