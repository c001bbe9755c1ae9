/* SPDX-License-Identifier: MIT */
/* variadic.c - closures that C calls by a variadic prototype, with a cif of ffi_prep_cif_var()
 *
 * Some psABIs pass a variadic function's further arguments otherwise than a prototype's: RISC-V and
 * LoongArch in general registers, those of alignment 16 from an even one on. The cif says how many
 * arguments are named.
 */
#include "fs_test.h"
#include <float.h>

enum { MOST = 16 };

/* What the handler must find, in the order of the arguments. */
static struct expected {
    ffi_type *type;
    const void *value;
    size_t bytes; /* of its type, without what pads it */
} expected[MOST];
static unsigned n_expected, n_runs;

static void expect(ffi_type *type, const void *value, size_t bytes)
{
    expected[n_expected++] = (struct expected){type, value, bytes};
}

static void compares(ffi_cif *cif, void *ret, void **args, void *user)
{
    CHECK(cif->nargs == n_expected && user == expected);
    for (unsigned i = 0; i < cif->nargs; i++) {
        CHECK((uintptr_t)args[i] % cif->arg_types[i]->alignment == 0, "argument %u", i);
        CHECK(!memcmp(args[i], expected[i].value, expected[i].bytes), "argument %u", i);
    }
    *(ffi_arg *)ret = 1000 + ++n_runs;
}

static void *code_for(unsigned named)
{
    static ffi_cif cif;
    static ffi_type *types[MOST];
    static ffi_static_closure *c;
    void *code;
    CHECK(ffi_static_free(c) == 0); /* the one before */
    for (unsigned i = 0; i < n_expected; i++)
        types[i] = expected[i].type;
    CHECK(ffi_prep_cif_var(&cif, FFI_DEFAULT_ABI, named, n_expected, &ffi_type_slong, types) ==
          FFI_OK);
    c = test_alloc(sizeof *c, &code);
    CHECK(ffi_static_prep(c, &cif, compares, expected, 0) == 0);
    return code;
}

static const int i7 = 7, i8 = -8;
static const long l9 = (long)0x123456789abcdef0, l10 = -10;
static const double d1 = 1.25, d2 = -2.5, d3 = 1e300, d4 = -0.0;
static const long double e1 = 3.75L, e2 = -1e40L;
enum { LONG_DOUBLE = LDBL_MANT_DIG == 64 ? 10 : sizeof(long double) };

#define INT(v) expect(&ffi_type_sint, &(v), sizeof(v))
#define LONG(v) expect(&ffi_type_slong, &(v), sizeof(v))
#define DOUBLE(v) expect(&ffi_type_double, &(v), sizeof(v))
#define LDOUBLE(v) expect(&ffi_type_longdouble, &(v), LONG_DOUBLE)

typedef long variadic(int, ...);

/* All in one kind of register: a scalar entry's signature but for the prototype. */
CASE(one_double)
{
    INT(i7), DOUBLE(d1);
    CHECK_EQ(((variadic *)code_for(1))(i7, d1), 1001);
}

CASE(doubles_alone)
{
    DOUBLE(d1), DOUBLE(d2), DOUBLE(d3);
    CHECK_EQ(((long (*)(double, ...))code_for(1))(d1, d2, d3), 1001);
}

CASE(named_doubles_and_more)
{
    DOUBLE(d1), DOUBLE(d2), INT(i7), DOUBLE(d3), LONG(l9), DOUBLE(d4);
    CHECK_EQ(((long (*)(double, double, ...))code_for(2))(d1, d2, i7, d3, l9, d4), 1001);
}

CASE(onto_the_stack)
{
    INT(i8), DOUBLE(d1), LONG(l9), DOUBLE(d2), INT(i7), DOUBLE(d3), LONG(l10), DOUBLE(d4);
    DOUBLE(d1), INT(i7), DOUBLE(d2), LONG(l9), DOUBLE(d3), INT(i8), LONG(l10), DOUBLE(d4);
    CHECK_EQ(
        ((variadic *)code_for(1))(i8, d1, l9, d2, i7, d3, l10, d4, d1, i7, d2, l9, d3, i8, l10, d4),
        1001);
}

CASE(long_doubles_at_every_register)
{
    INT(i7), LDOUBLE(e1);
    CHECK_EQ(((variadic *)code_for(1))(i7, e1), 1001);
    n_expected = 0;
    INT(i7), LONG(l9), LDOUBLE(e1), INT(i8), LDOUBLE(e2), DOUBLE(d1), LDOUBLE(e1), DOUBLE(d2);
    CHECK_EQ(((variadic *)code_for(1))(i7, l9, e1, i8, e2, d1, e1, d2), 1002);
    n_expected = 0;
    INT(i7), INT(i8), INT(i7), INT(i8), INT(i7), INT(i8), INT(i7), LDOUBLE(e1), INT(i8),
        LDOUBLE(e2);
    CHECK_EQ(((variadic *)code_for(1))(i7, i8, i7, i8, i7, i8, i7, e1, i8, e2), 1003);
}

/* A named one is passed as ever; the same type behind it is not. */
typedef struct {
    double a, b;
} two_doubles;
typedef struct {
    long a;
    double b;
} long_and_double;
typedef struct {
    long double a;
} one_long_double;
typedef struct {
    long a, b, c;
} three_longs;

static ffi_type *of_two_doubles[] = {&ffi_type_double, &ffi_type_double, NULL};
static ffi_type *of_long_and_double[] = {&ffi_type_slong, &ffi_type_double, NULL};
static ffi_type *of_long_double[] = {&ffi_type_longdouble, NULL};
static ffi_type *of_three_longs[] = {&ffi_type_slong, &ffi_type_slong, &ffi_type_slong, NULL};
static ffi_type dd_type = {0, 0, FFI_TYPE_STRUCT, of_two_doubles};
static ffi_type ld_type = {0, 0, FFI_TYPE_STRUCT, of_long_and_double};
static ffi_type e_type = {0, 0, FFI_TYPE_STRUCT, of_long_double};
static ffi_type lll_type = {0, 0, FFI_TYPE_STRUCT, of_three_longs};
static const two_doubles dd = {1.5, -2.25};
static const long_and_double ld = {77, 8.5};
static const one_long_double e = {9.75L};
static const three_longs lll = {1, 2, 3};

CASE(structs)
{
    expect(&dd_type, &dd, sizeof dd);
    expect(&dd_type, &dd, sizeof dd);
    expect(&ld_type, &ld, sizeof ld);
    INT(i7);
    expect(&e_type, &e, LONG_DOUBLE);
    expect(&lll_type, &lll, sizeof lll);
    DOUBLE(d1);
    CHECK_EQ(((long (*)(two_doubles, ...))code_for(1))(dd, dd, ld, i7, e, lll, d1), 1001);
}

CASE(structs_split_and_aligned)
{
    INT(i7), INT(i8), INT(i7), INT(i8), INT(i7), INT(i8);
    expect(&ld_type, &ld, sizeof ld);
    INT(i7);
    expect(&e_type, &e, LONG_DOUBLE);
    CHECK_EQ(((variadic *)code_for(1))(i7, i8, i7, i8, i7, i8, ld, i7, e), 1001);
    n_expected = 0;
    INT(i7), INT(i8), INT(i7), INT(i8), INT(i7), INT(i8), INT(i7);
    expect(&ld_type, &ld, sizeof ld);
    expect(&e_type, &e, LONG_DOUBLE);
    DOUBLE(d1);
    CHECK_EQ(((variadic *)code_for(1))(i7, i8, i7, i8, i7, i8, i7, ld, e, d1), 1002);
}
