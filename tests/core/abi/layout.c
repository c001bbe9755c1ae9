/* SPDX-License-Identifier: MIT */
/* layout.c - types whose description in libffi's terms does not say where the fields lie
 *
 * libffi has neither unions, packed structs nor alignment by attribute. Its users (ctypes among
 * them) give the fields one after another and set size and alignment by hand: of a union, fields
 * reach beyond the size; of a packed struct, the alignment is below a field's. The psABI (3.2.3)
 * passes a union by the merged classes of all its members, what has unaligned fields in memory, and
 * an over-aligned struct in whichever registers are next; the handler may count on its alignment.
 */
#include "fs_test.h"

static unsigned char seen[64];

static void note_third(ffi_cif *cif, void *ret, void **args, void *user)
{
    memcpy(seen, args[2], cif->arg_types[2]->size);
    CHECK(*(long *)args[0] == 1 && *(double *)args[1] == 2.5 && *(long *)args[3] == 4 &&
          *(double *)args[4] == 5.5);
    memcpy(ret, user, cif->rtype->size);
}

/* Take and give one `type`, between an integer and a double on each side. */
static void *closure_taking(ffi_type *type, void *result, ffi_static_closure **c)
{
    static ffi_cif cif;
    static ffi_type *args[5];
    void *code;
    args[0] = args[3] = &ffi_type_slong;
    args[1] = args[4] = &ffi_type_double;
    args[2] = type;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 5, type, args) == FFI_OK);
    *c = test_alloc(sizeof **c, &code);
    CHECK(ffi_static_prep(*c, &cif, note_third, result, 0) == 0);
    return code;
}

#define THROUGH_CASE(name, declaration, ...)                                                       \
    CASE(name)                                                                                     \
    {                                                                                              \
        typedef declaration T;                                                                     \
        ffi_type *members[] = {__VA_ARGS__, NULL};                                                 \
        ffi_type type = {sizeof(T), _Alignof(T), FFI_TYPE_STRUCT, members};                        \
        T in, out, back;                                                                           \
        for (unsigned i = 0; i < sizeof in; i++)                                                   \
            ((unsigned char *)&in)[i] = (unsigned char)(i + 0x31);                                 \
        memset(&out, 0x77, sizeof out);                                                            \
        ffi_static_closure *c;                                                                     \
        void *code = closure_taking(&type, &out, &c);                                              \
        back = ((T(*)(long, double, T, long, double))code)(1, 2.5, in, 4, 5.5);                    \
        CHECK(!memcmp(seen, &in, sizeof in), "the argument arrived changed");                      \
        CHECK(!memcmp(&back, &out, sizeof out), "the result arrived changed");                     \
        CHECK(ffi_static_free(c) == 0);                                                            \
    }

#define PACKED __attribute__((packed))
#define OVER_ALIGNED __attribute__((aligned(16)))
#pragma pack(push, 2)
struct PACKED_TO_TWO {
    short a;
    int b;
};
#pragma pack(pop)

/* A struct or union by hand, as a member of others. */
#define PART(name, size, alignment, ...)                                                           \
    static ffi_type *name##_members[] = {__VA_ARGS__, NULL};                                       \
    static ffi_type name = {size, alignment, FFI_TYPE_STRUCT, name##_members}
#define CHAR &ffi_type_schar
PART(two_longs, 16, 8, &ffi_type_slong, &ffi_type_slong);
PART(two_doubles, 16, 8, &ffi_type_double, &ffi_type_double);
PART(long_and_double, 16, 8, &ffi_type_slong, &ffi_type_double);
PART(nine_chars, 9, 1, CHAR, CHAR, CHAR, CHAR, CHAR, CHAR, CHAR, CHAR, CHAR);
PART(long_double_or_long, 16, 16, &ffi_type_longdouble, &ffi_type_slong);
PART(packed_short_int, 6, 1, &ffi_type_sshort, &ffi_type_sint32);

/* clang-format off */
THROUGH_CASE(union_int_double, union { int a; double b; }, &ffi_type_sint32, &ffi_type_double)
THROUGH_CASE(union_double_int, union { double a; int b; }, &ffi_type_double, &ffi_type_sint32)
THROUGH_CASE(union_float_int, union { float a; int b; }, &ffi_type_float, &ffi_type_sint32)
THROUGH_CASE(union_int_float, union { int a; float b; }, &ffi_type_sint32, &ffi_type_float)
THROUGH_CASE(union_float_double, union { float a; double b; }, &ffi_type_float, &ffi_type_double)
THROUGH_CASE(union_char_short_long, union { char a; short b; long c; }, &ffi_type_schar,
             &ffi_type_sshort, &ffi_type_slong)
THROUGH_CASE(union_pointer_int, union { void *a; int b; }, &ffi_type_pointer, &ffi_type_sint32)
THROUGH_CASE(union_of_three_doubles, union { double a; double b; double c; }, &ffi_type_double, &ffi_type_double,
             &ffi_type_double)
THROUGH_CASE(union_long_double_int, union { long double a; int b; }, &ffi_type_longdouble,
             &ffi_type_sint32)
THROUGH_CASE(union_double_long_double, union { double a; long double b; }, &ffi_type_double,
             &ffi_type_longdouble)
THROUGH_CASE(union_long_double_two_longs, union { long double a; long b[2]; }, &ffi_type_longdouble,
             &two_longs)
THROUGH_CASE(union_two_longs_long_double, union { long b[2]; long double a; }, &two_longs,
             &ffi_type_longdouble)
THROUGH_CASE(union_long_double_nine_chars, union { long double a; char b[9]; }, &ffi_type_longdouble,
             &nine_chars)
THROUGH_CASE(union_long_double_or_mixed, union { long double a; struct { long b; double c; } d; },
             &ffi_type_longdouble, &long_and_double)
THROUGH_CASE(union_integer_before_sse, union { long double a; long b[2]; double c; },
             &ffi_type_longdouble, &two_longs, &ffi_type_double)
THROUGH_CASE(union_sse_before_integer, union { long double a; double c; long b[2]; },
             &ffi_type_longdouble, &ffi_type_double, &two_longs)
THROUGH_CASE(union_around_one_in_memory, union { union { long double a; long b; } c; long d[2]; },
             &long_double_or_long, &two_longs)
THROUGH_CASE(union_two_doubles_aligned, union OVER_ALIGNED { double a[2]; float b; }, &two_doubles,
             &ffi_type_float)
THROUGH_CASE(packed_union, union PACKED { int a; float b; }, &ffi_type_sint32, &ffi_type_float)
THROUGH_CASE(packed_union_of_nine, union PACKED { long a; char b[9]; }, &ffi_type_slong, &nine_chars)
THROUGH_CASE(packed_in_packed, struct PACKED { short a; struct PACKED { short b; int c; } d; },
             &ffi_type_sshort, &packed_short_int)
THROUGH_CASE(packed_to_two, struct PACKED_TO_TWO, &ffi_type_sshort, &ffi_type_sint32)
THROUGH_CASE(packed_char_int, struct PACKED { char a; int b; }, &ffi_type_schar, &ffi_type_sint32)
THROUGH_CASE(packed_int_double, struct PACKED { int a; double b; }, &ffi_type_sint32,
             &ffi_type_double)
THROUGH_CASE(packed_char_long, struct PACKED { char a; long b; }, &ffi_type_schar, &ffi_type_slong)
THROUGH_CASE(packed_but_aligned, struct PACKED { int a; int b; }, &ffi_type_sint32,
             &ffi_type_sint32)
THROUGH_CASE(packed_tail, struct PACKED { long a; char b; }, &ffi_type_slong, &ffi_type_schar)
/* clang-format on */

/* A union inside a struct: the outer one is laid out from the inner one's size and alignment. */
CASE(union_in_a_struct)
{
    typedef struct {
        union {
            int a;
            double b;
        } u;
        float f;
    } T;
    ffi_type *inner_members[] = {&ffi_type_sint32, &ffi_type_double, NULL};
    ffi_type inner = {8, 8, FFI_TYPE_STRUCT, inner_members};
    ffi_type *members[] = {&inner, &ffi_type_float, NULL};
    ffi_type type = {sizeof(T), _Alignof(T), FFI_TYPE_STRUCT, members};
    T in = {.u = {.b = 1.25}, .f = 2}, out = {.u = {.b = -3}, .f = 4}, back;
    ffi_static_closure *c;
    void *code = closure_taking(&type, &out, &c);
    back = ((T(*)(long, double, T, long, double))code)(1, 2.5, in, 4, 5.5);
    CHECK(!memcmp(seen, &in, 12), "the argument arrived changed");
    CHECK(!memcmp(&back, &out, 12), "the result arrived changed");
    CHECK(ffi_static_free(c) == 0);
}

/* Types whose description must say more than their members do (ffi_static.h): here an aligned union
 * that is larger than its members, the union itself as the only member of a struct of that size. */
CASE(aligned_union_in_a_wrapper)
{
    typedef union OVER_ALIGNED {
        double a;
        long b;
    } T;
    ffi_type *union_members[] = {&ffi_type_double, &ffi_type_slong, NULL};
    ffi_type inner = {8, 8, FFI_TYPE_STRUCT, union_members};
    ffi_type *members[] = {&inner, NULL};
    ffi_type type = {sizeof(T), _Alignof(T), FFI_TYPE_STRUCT, members};
    T in = {.b = (long)0x123456789abcdef}, out = {.b = -2}, back;
    ffi_static_closure *c;
    void *code = closure_taking(&type, &out, &c);
    back = ((T(*)(long, double, T, long, double))code)(1, 2.5, in, 4, 5.5);
    CHECK(!memcmp(seen, &in, 8), "the argument arrived changed");
    CHECK(back.b == -2, "the result is %ld", back.b);
    CHECK(ffi_static_free(c) == 0);
}

/* gcc looks at scalars' alignment, clang at members': only gcc passes this one in a register. */
CASE(packed_around_an_aligned_member)
{
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpacked-not-aligned"
    typedef struct PACKED {
        char a;
        struct {
            char x[2];
        } __attribute__((aligned(2))) b;
    } T;
#pragma GCC diagnostic pop
    ffi_type *inner_members[] = {CHAR, CHAR, NULL};
    ffi_type inner = {2, 2, FFI_TYPE_STRUCT, inner_members};
    ffi_type *members[] = {CHAR, &inner, NULL};
    ffi_type type = {sizeof(T), _Alignof(T), FFI_TYPE_STRUCT, members};
    T in = {1, {{2, 3}}}, out = {4, {{5, 6}}}, back;
    CHECK(sizeof(T) == 3 && _Alignof(T) == 1);
    ffi_static_closure *c;
    void *code = closure_taking(&type, &out, &c);
    back = ((T(*)(long, double, T, long, double))code)(1, 2.5, in, 4, 5.5);
    CHECK(!memcmp(seen, &in, sizeof in), "the argument arrived changed");
    CHECK(!memcmp(&back, &out, sizeof out), "the result arrived changed");
    CHECK(ffi_static_free(c) == 0);
#endif
}

/* gcc aligns what a caller holds in memory for a callee to no more than the stack is. */
#ifdef __s390x__
#define AS_ALIGNED 8
#else
#define AS_ALIGNED 16
#endif
static const void *where;

static void note_second(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)user;
    where = args[1];
    memcpy(seen, args[1], cif->arg_types[1]->size);
    *(ffi_sarg *)ret = (ffi_sarg)(uintptr_t)cif->arg_types[1];
}

/* Behind one register of its class, so that its own begin at an odd one. */
#define ALIGNED_CASE(name, declaration, first_type, first, value, ...)                             \
    CASE(name)                                                                                     \
    {                                                                                              \
        typedef struct OVER_ALIGNED declaration T;                                                 \
        ffi_type *members[] = {__VA_ARGS__, NULL};                                                 \
        ffi_type type = {sizeof(T), _Alignof(T), FFI_TYPE_STRUCT, members};                        \
        ffi_type *args[] = {&first_type, &type};                                                   \
        T in = {value};                                                                            \
        CHECK(sizeof(T) == 16 && _Alignof(T) == 16);                                               \
        ffi_cif cif;                                                                               \
        void *code;                                                                                \
        CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_slong, args) == FFI_OK);            \
        ffi_static_closure *c = test_alloc(sizeof *c, &code);                                      \
        CHECK(ffi_static_prep(c, &cif, note_second, NULL, 0) == 0);                                \
        CHECK(((long (*)(__typeof__(first), T))code)(first, in) == (long)&type);                   \
        CHECK((uintptr_t)where % AS_ALIGNED == 0, "the argument is at %p", where);                 \
        size_t bytes = (type.elements[1] ? 2 : 1) * type.elements[0]->size;                        \
        CHECK(!memcmp(seen, &in, bytes), "the argument arrived changed");                          \
        CHECK(ffi_static_free(c) == 0);                                                            \
    }
#define BOTH(a, b) a, b
/* clang-format off */
ALIGNED_CASE(aligned_two_doubles, { double a; double b; }, ffi_type_double, 9.0, BOTH(1.5, -2.5),
                  &ffi_type_double, &ffi_type_double)
ALIGNED_CASE(aligned_two_longs, { long a; long b; }, ffi_type_slong, 9L, BOTH((long)0x1234567890, -2),
                  &ffi_type_slong, &ffi_type_slong)
ALIGNED_CASE(aligned_one_long, { long a; }, ffi_type_slong, 9L, (long)0x1234567890, &ffi_type_slong)
ALIGNED_CASE(aligned_one_double, { double a; }, ffi_type_double, 9.0, 1.5, &ffi_type_double)
/* clang-format on */

/* Aligned to 8, its members to 4: on a 32-bit machine, and where floats are saved as such, it may
 * begin at any word. */
CASE(aligned_to_eight)
{
    typedef struct __attribute__((aligned(8))) {
        int a, b;
    } T;
    typedef struct __attribute__((aligned(8))) {
        float a, b;
    } F;
    ffi_type *ints[] = {&ffi_type_sint32, &ffi_type_sint32, NULL};
    ffi_type *floats[] = {&ffi_type_float, &ffi_type_float, NULL};
    ffi_type of_ints = {8, 8, FFI_TYPE_STRUCT, ints}, of_floats = {8, 8, FFI_TYPE_STRUCT, floats};
    ffi_type *behind_int[] = {&ffi_type_sint, &of_ints};
    ffi_type *behind_float[] = {&ffi_type_float, &of_floats};
    T in = {7, -8};
    F in_floats = {1.5f, -2.5f};
    ffi_cif cif;
    void *code;
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_slong, behind_int) == FFI_OK);
    CHECK(ffi_static_prep(c, &cif, note_second, NULL, 0) == 0);
    CHECK(((long (*)(int, T))code)(1, in) == (long)&of_ints);
    CHECK((uintptr_t)where % 8 == 0, "the integers are at %p", where);
    CHECK(!memcmp(seen, &in, sizeof in), "the integers arrived changed");
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_slong, behind_float) == FFI_OK);
    CHECK(ffi_static_prep(c, &cif, note_second, NULL, 0) == 0);
    CHECK(((long (*)(float, F))code)(1, in_floats) == (long)&of_floats);
    CHECK((uintptr_t)where % 8 == 0, "the floats are at %p", where);
    CHECK(!memcmp(seen, &in_floats, sizeof in_floats), "the floats arrived changed");
    CHECK(ffi_static_free(c) == 0);
}

/* Fourteen of one eightbyte each, the most that registers hold: each has a place of its own. */
typedef struct OVER_ALIGNED {
    long a;
} aligned_long;
typedef struct OVER_ALIGNED {
    double a;
} aligned_double;

static void add_fourteen(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)user;
    double sum = 0;
    for (unsigned i = 0; i < cif->nargs; i++) {
        CHECK((uintptr_t)args[i] % AS_ALIGNED == 0, "argument %u is at %p", i, args[i]);
        sum += (i + 1) * (i < 6 ? (double)*(long *)args[i] : *(double *)args[i]);
    }
    *(double *)ret = sum;
}

CASE(aligned_in_every_register)
{
    ffi_type *long_only[] = {&ffi_type_slong, NULL}, *double_only[] = {&ffi_type_double, NULL};
    ffi_type of_long = {16, 16, FFI_TYPE_STRUCT, long_only};
    ffi_type of_double = {16, 16, FFI_TYPE_STRUCT, double_only};
    ffi_type *args[14];
    aligned_long l[6];
    aligned_double d[8];
    double sum = 0;
    for (int i = 0; i < 14; i++) {
        args[i] = i < 6 ? &of_long : &of_double;
        if (i < 6)
            l[i].a = 100 + i;
        else
            d[i - 6].a = 1000 + i;
        sum += (i + 1) * (i < 6 ? 100.0 + i : 1000.0 + i);
    }
    ffi_cif cif;
    void *code;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 14, &ffi_type_double, args) == FFI_OK);
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    CHECK(ffi_static_prep(c, &cif, add_fourteen, NULL, 0) == 0);
    typedef aligned_long L;
    typedef aligned_double D;
    double seen_sum = ((double (*)(L, L, L, L, L, L, D, D, D, D, D, D, D, D))code)(
        l[0], l[1], l[2], l[3], l[4], l[5], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
    CHECK(seen_sum == sum, "%g, not %g", seen_sum, sum);
    CHECK(ffi_static_free(c) == 0);
}

/* A struct of an array: libffi's users list every element of it. */
struct large {
    unsigned char x[131072];
};

static void weigh_large(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)user;
    const unsigned char *x = *(long *)args[0] == 7 ? args[1] : NULL;
    unsigned long sum = 0;
    for (unsigned i = 0; x && i < sizeof(struct large); i++)
        sum += (i + 1ul) * x[i];
    *(ffi_arg *)ret = sum;
}

CASE(array_of_131072_chars)
{
    enum { N = sizeof(struct large) };
    static ffi_type *members[N + 1];
    static struct large in;
    unsigned long sum = 0;
    for (unsigned i = 0; i < N; i++) {
        members[i] = &ffi_type_uint8;
        in.x[i] = (unsigned char)(i * 7 + i / 256);
        sum += (i + 1ul) * in.x[i];
    }
    ffi_type type = {0, 0, FFI_TYPE_STRUCT, members};
    ffi_type *args[] = {&ffi_type_slong, &type};
    ffi_cif cif;
    void *code;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_ulong, args) == FFI_OK);
    CHECK(type.size == N);
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    CHECK(ffi_static_prep(c, &cif, weigh_large, NULL, 0) == 0);
    CHECK(((unsigned long (*)(long, struct large))code)(7, in) == sum);
    CHECK(ffi_static_free(c) == 0);
}
