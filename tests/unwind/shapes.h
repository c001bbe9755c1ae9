/* SPDX-License-Identifier: MIT */
/* shapes.h - one caller and one cif for every way into a closure: each entry, each kind of result
 *
 * The callers stand in a section of their own, so that an address can be known for a caller's; each
 * notes its canonical frame address, so that an unwinder's can be compared with it. on_call() is
 * the handler of all; a program defines what it does.
 */
#ifndef UNWIND_SHAPES_H
#define UNWIND_SHAPES_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ffi.h>

#include "ffi_static.h"

#define IN_SECTION(name) __attribute__((noinline, section(name)))

extern "C" void on_call(ffi_cif *cif, void *ret, void **args, void *user);

extern char __start_fs_callers[], __stop_fs_callers[];
extern char __start_fs_handlers[], __stop_fs_handlers[];

static void *caller_cfa;          /* of the caller under way */
static void (*before_call)(void); /* a program's hooks around the call itself */
static volatile long after_call;

struct pair_dd {
    double a, b;
};
struct pair_ld {
    long a;
    double b;
};
struct pair_if {
    int a;
    float b;
};
struct pair_ff {
    float a, b;
};
struct pair_ll {
    long a, b;
};
struct big {
    char bytes[64];
};

static ffi_type *const two_doubles[] = {&ffi_type_double, &ffi_type_double, NULL};
static ffi_type *const long_double_pair[] = {&ffi_type_slong, &ffi_type_double, NULL};
static ffi_type *const int_float_pair[] = {&ffi_type_sint32, &ffi_type_float, NULL};
static ffi_type *const two_floats[] = {&ffi_type_float, &ffi_type_float, NULL};
static ffi_type *const two_longs[] = {&ffi_type_slong, &ffi_type_slong, NULL};
#define C8                                                                                         \
    &ffi_type_schar, &ffi_type_schar, &ffi_type_schar, &ffi_type_schar, &ffi_type_schar,           \
        &ffi_type_schar, &ffi_type_schar, &ffi_type_schar
static ffi_type *const chars64[] = {C8, C8, C8, C8, C8, C8, C8, C8, NULL};
static ffi_type dd_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)two_doubles};
static ffi_type ld_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)long_double_pair};
static ffi_type if_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)int_float_pair};
static ffi_type ff_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)two_floats};
static ffi_type ll_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)two_longs};
static ffi_type big_type = {0, 0, FFI_TYPE_STRUCT, (ffi_type **)chars64};

/* What each caller does: note its CFA, run the hook, call, and stay on the stack afterwards. */
#define CALLER(name, result, types, ...)                                                           \
    IN_SECTION("fs_callers") static long caller_##name(void *code)                                 \
    {                                                                                              \
        auto f = (result(*) types)code;                                                            \
        caller_cfa = __builtin_dwarf_cfa();                                                        \
        if (before_call)                                                                           \
            before_call();                                                                         \
        f(__VA_ARGS__);                                                                            \
        return ++after_call;                                                                       \
    }

#define L5 1, 2, 3, 4, 5
#define D4 1., 2., 3., 4.
#define TL5 long, long, long, long, long
#define TD4 double, double, double, double

CALLER(nothing, void, (void))
CALLER(few_ints, int, (int, int), 1, 2)
CALLER(six_longs, long, (TL5, long), L5, 6)
CALLER(one_double, double, (double), 1.)
CALLER(eight_doubles, double, (TD4, TD4), D4, D4)
CALLER(mixed, int, (int, double, void *, float, long), 1, 2., NULL, 3.f, 4)
CALLER(on_the_stack, long, (TL5, TL5, TD4, TD4, TD4), L5, L5, D4, D4, D4)
CALLER(forty, long, (TL5, TL5, TL5, TL5, TL5, TL5, TL5, TL5), L5, L5, L5, L5, L5, L5, L5, L5)
CALLER(narrow, signed char, (signed char), 1)
CALLER(struct_in_vectors, pair_dd, (pair_dd), pair_dd{1, 2})
CALLER(struct_in_both, pair_ld, (pair_ld), pair_ld{1, 2})
CALLER(struct_gathered, pair_ld, (TL5, pair_ld, pair_dd), L5, pair_ld{1, 2}, pair_dd{3, 4})
CALLER(struct_in_memory, big, (int, big), 1, big{})
CALLER(long_and_in_memory, big, (big, TL5, TL5, TL5, TL5, TL5), big{}, L5, L5, L5, L5, L5)
CALLER(x87, long double, (long double, int), 1.L, 2)
CALLER(only_ints, void, (int, int), 1, 2)
CALLER(one_float, float, (float), 1.f)
CALLER(struct_of_halves, pair_if, (pair_if), pair_if{1, 2})
CALLER(floats_and_double, pair_ff, (pair_ff, double), pair_ff{1, 2}, 3)
CALLER(pair_of_longs, pair_ll, (pair_ll, TL5), pair_ll{1, 2}, L5)

struct shape {
    const char *name;
    long (*caller)(void *code);
    ffi_type *result;
    ffi_type *args[44];
};
#define I_ &ffi_type_sint32
#define L_ &ffi_type_slong
#define D_ &ffi_type_double
#define L5_ L_, L_, L_, L_, L_
#define D4_ D_, D_, D_, D_
static shape shapes[] = {
    {"nothing", caller_nothing, &ffi_type_void, {}},
    {"few_ints", caller_few_ints, I_, {I_, I_}},
    {"six_longs", caller_six_longs, L_, {L5_, L_}},
    {"one_double", caller_one_double, D_, {D_}},
    {"eight_doubles", caller_eight_doubles, D_, {D4_, D4_}},
    {"mixed", caller_mixed, I_, {I_, D_, &ffi_type_pointer, &ffi_type_float, L_}},
    {"on_the_stack", caller_on_the_stack, L_, {L5_, L5_, D4_, D4_, D4_}},
    {"forty", caller_forty, L_, {L5_, L5_, L5_, L5_, L5_, L5_, L5_, L5_}},
    {"narrow", caller_narrow, &ffi_type_schar, {&ffi_type_schar}},
    {"struct_in_vectors", caller_struct_in_vectors, &dd_type, {&dd_type}},
    {"struct_in_both", caller_struct_in_both, &ld_type, {&ld_type}},
    {"struct_gathered", caller_struct_gathered, &ld_type, {L5_, &ld_type, &dd_type}},
    {"struct_in_memory", caller_struct_in_memory, &big_type, {I_, &big_type}},
    {"long_and_in_memory",
     caller_long_and_in_memory,
     &big_type,
     {&big_type, L5_, L5_, L5_, L5_, L5_}},
    {"x87", caller_x87, &ffi_type_longdouble, {&ffi_type_longdouble, I_}},
    {"only_ints", caller_only_ints, &ffi_type_void, {I_, I_}},
    {"one_float", caller_one_float, &ffi_type_float, {&ffi_type_float}},
    {"struct_of_halves", caller_struct_of_halves, &if_type, {&if_type}},
    {"floats_and_double", caller_floats_and_double, &ff_type, {&ff_type, D_}},
    {"pair_of_longs", caller_pair_of_longs, &ll_type, {&ll_type, L5_}},
};

/* Does its entry stand on the stack behind the handler? void(void)'s gives its place to it. */
static inline bool has_frame(const shape *s)
{
#ifdef __i386__ /* the handler's arguments are on the stack */
    (void)s;
    return true;
#else
    return s->result != &ffi_type_void || s->args[0];
#endif
}

/* A closure for one shape, the last of `skip` + 1 made, so that tables get used, too. */
static inline void *closure_for(shape *s, ffi_cif *cif, unsigned skip = 3)
{
    unsigned n = 0;
    void *code = NULL;
    while (s->args[n])
        n++;
    if (ffi_prep_cif(cif, FFI_DEFAULT_ABI, n, s->result, s->args) != FFI_OK) {
        printf("ffi_prep_cif refused %s\n", s->name);
        exit(1);
    }
    for (unsigned i = 0; i <= skip; i++) {
        ffi_static_closure *c = ffi_static_alloc(sizeof *c, 0, &code);
        if (!c || ffi_static_prep(c, cif, on_call, s, 0) < 0) {
            printf("no closure: %s\n", ffi_static_error());
            exit(1);
        }
    }
    const char *wanted = getenv("FFI_STATIC_PROVIDER");
    if (wanted && strcmp(ffi_static_provider_of(code), wanted)) {
        printf("the closure is from %s, not %s\n", ffi_static_provider_of(code), wanted);
        exit(1);
    }
    return code;
}

static inline void zero_result(ffi_cif *cif, void *ret)
{
    if (cif->rtype->type != FFI_TYPE_VOID)
        __builtin_memset(ret, 0, cif->rtype->size < 8 ? 8 : cif->rtype->size);
}

static inline bool between(const void *p, const char *start, const char *stop)
{
    return (const char *)p >= start && (const char *)p < stop;
}

/* Run `one` on the shape called argv[2], or on all for "all"; 2 if there is none of that name. */
static inline int each_shape(const char *name, int (*one)(shape *))
{
    int status = 2;
    for (shape &s : shapes)
        if (!strcmp(name, "all") || !strcmp(name, s.name)) {
            int rc = one(&s);
            status = status == 2 || rc ? rc : status;
        }
    if (status == 2)
        fprintf(stderr, "no shape is called %s\n", name);
    return status;
}
#endif /* UNWIND_SHAPES_H */
