/* SPDX-License-Identifier: MIT */
/* layout.c - types whose description in libffi's terms does not say where the fields lie
 *
 * libffi has neither unions nor packed structs. Its users (ctypes among them) give the fields one
 * after another and set size and alignment by hand: of a union, fields reach beyond the size; of
 * a packed struct, the alignment is below a field's. The psABI (3.2.3) passes a union by the
 * merged classes of all its members, and what has unaligned fields in memory.
 */
#include "harness.h"

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
    *c = closure_or_die(sizeof **c, &code);
    CHECK(ffi_static_prep(*c, &cif, note_third, result, 0) == 0);
    return code;
}

#define GOES_THROUGH(name, declaration, ...)                                                       \
    static void name(void)                                                                         \
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
/* clang-format off */
GOES_THROUGH(union_int_double, union { int a; double b; }, &ffi_type_sint32, &ffi_type_double)
GOES_THROUGH(union_double_int, union { double a; int b; }, &ffi_type_double, &ffi_type_sint32)
GOES_THROUGH(union_float_int, union { float a; int b; }, &ffi_type_float, &ffi_type_sint32)
GOES_THROUGH(union_int_float, union { int a; float b; }, &ffi_type_sint32, &ffi_type_float)
GOES_THROUGH(union_float_double, union { float a; double b; }, &ffi_type_float, &ffi_type_double)
GOES_THROUGH(union_char_short_long, union { char a; short b; long c; }, &ffi_type_schar,
             &ffi_type_sshort, &ffi_type_slong)
GOES_THROUGH(union_pointer_int, union { void *a; int b; }, &ffi_type_pointer, &ffi_type_sint32)
GOES_THROUGH(union_of_three_doubles, union { double a; double b; double c; }, &ffi_type_double, &ffi_type_double,
             &ffi_type_double)
GOES_THROUGH(packed_char_int, struct PACKED { char a; int b; }, &ffi_type_schar, &ffi_type_sint32)
GOES_THROUGH(packed_int_double, struct PACKED { int a; double b; }, &ffi_type_sint32,
             &ffi_type_double)
GOES_THROUGH(packed_char_long, struct PACKED { char a; long b; }, &ffi_type_schar, &ffi_type_slong)
GOES_THROUGH(packed_but_aligned, struct PACKED { int a; int b; }, &ffi_type_sint32,
             &ffi_type_sint32)
GOES_THROUGH(packed_tail, struct PACKED { long a; char b; }, &ffi_type_slong, &ffi_type_schar)
/* clang-format on */

/* A union inside a struct: the outer one is laid out from the inner one's size and alignment. */
static void union_in_a_struct(void)
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

#define T(name)                                                                                    \
    {                                                                                              \
#name, name                                                                                \
    }
int main(int argc, char **argv)
{
    static const struct test tests[] = {
        T(union_int_double),   T(union_double_int),
        T(union_float_int),    T(union_int_float),
        T(union_float_double), T(union_char_short_long),
        T(union_pointer_int),  T(union_of_three_doubles),
        T(union_in_a_struct),  T(packed_char_int),
        T(packed_int_double),  T(packed_char_long),
        T(packed_but_aligned), T(packed_tail),
        {NULL, NULL},
    };
    return run_tests(tests, argc, argv);
}
