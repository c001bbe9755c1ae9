/* SPDX-License-Identifier: MIT */
/* signatures.c - cifs and types that describe nothing callable: prep refuses, the closure stays
 *
 * ffi_prep_cif() would refuse some of these itself; prep must not rely on it, for the fields of
 * a cif and a type are the caller's memory.
 */
#include "fs_test.h"

static struct made made;
static ffi_type *ints[FFI_STATIC_MAX_ARGS + 1];

static void begin(void)
{
    CHECK(test_make(&made, 1));
    for (size_t i = 0; i <= FFI_STATIC_MAX_ARGS; i++)
        ints[i] = &ffi_type_sint;
}

static void still_what_it_was(void)
{
    test_call(&made);
    CHECK(api.from_address(made.code) == made.closure);
    CHECK_EQ(api.check(), 0);
}

static void refused(ffi_cif *cif, int expected)
{
    int got = api.prep(made.closure, cif, test_handler(0), NULL, 0);
    CHECK_EQ(got, expected);
    CHECK(strlen(api.error()) > 10);
    still_what_it_was();
}

/* A cif as ffi_prep_cif() would leave it. */
static ffi_cif cif_of(unsigned nargs, ffi_type *ret, ffi_type **args)
{
    ffi_cif cif;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_void, NULL), FFI_OK);
    cif.nargs = nargs;
    cif.rtype = ret;
    cif.arg_types = args;
    return cif;
}

/* A type that is refused as the second argument and as the result. */
static void refused_type(ffi_type *type, int expected)
{
    ffi_type *args[] = {&ffi_type_sint, type};
    ffi_cif as_argument = cif_of(2, &ffi_type_sint, args), as_result = cif_of(0, type, NULL);
    refused(&as_argument, expected);
    if (type != &ffi_type_void)
        refused(&as_result, expected);
}

CASE(more_than_the_most_arguments_are_refused)
{
    begin();
    static const unsigned counts[] = {FFI_STATIC_MAX_ARGS + 1, 0x7fffffffu, 0x80000000u, ~0u};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ffi_cif cif = cif_of(counts[i], &ffi_type_sint, ints);
        refused(&cif, -EINVAL);
    }
}

CASE(the_most_arguments_are_taken)
{
    begin();
    ffi_cif cif;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, FFI_STATIC_MAX_ARGS, &ffi_type_sint, ints),
             FFI_OK);
    CHECK_EQ(api.prep(made.closure, &cif, test_handler(0), (void *)7, 0), 0);
    CHECK_EQ(((int (*)(int))made.code)(1), 8); /* the handler looks at the first one only */
    CHECK_EQ(api.prep(made.closure, test_cif(1), test_handler(1), (void *)1, 0), 0);
    still_what_it_was();
}

CASE(missing_types_are_refused)
{
    begin();
    ffi_type *args[] = {&ffi_type_sint, NULL, &ffi_type_sint};
    ffi_cif no_list = cif_of(1, &ffi_type_sint, NULL), no_result = cif_of(1, NULL, ints),
            hole = cif_of(3, &ffi_type_sint, args);
    refused(&no_list, -EINVAL);
    refused(&no_result, -EINVAL);
    refused(&hole, -EINVAL);
}

CASE(void_as_an_argument_is_refused)
{
    begin();
    refused_type(&ffi_type_void, -EINVAL);
    ffi_type *members[] = {&ffi_type_sint, &ffi_type_void, NULL};
    ffi_type holds_void = {.size = 8, .alignment = 4, .type = FFI_TYPE_STRUCT, .elements = members};
    refused_type(&holds_void, -EINVAL);
}

CASE(an_incomplete_struct_is_refused)
{
    begin();
    ffi_type *none[] = {NULL}, *one[] = {&ffi_type_sint, NULL};
    ffi_type no_list = {8, 8, FFI_TYPE_STRUCT, NULL};
    ffi_type no_members = {8, 8, FFI_TYPE_STRUCT, none};
    ffi_type no_layout = {0, 0, FFI_TYPE_STRUCT, one}; /* ffi_prep_cif() never laid it out */
    ffi_type no_alignment = {4, 0, FFI_TYPE_STRUCT, one};
    ffi_type *inner[] = {&ffi_type_sint, &no_list, NULL};
    ffi_type outer = {16, 8, FFI_TYPE_STRUCT, inner};
    refused_type(&no_list, -EINVAL);
    refused_type(&no_members, -EINVAL);
    refused_type(&no_layout, -EINVAL);
    refused_type(&no_alignment, -EINVAL);
    refused_type(&outer, -EINVAL);
}

CASE(an_incomplete_complex_type_is_refused)
{
    begin();
    ffi_type *none[] = {NULL}, *of_void[] = {&ffi_type_void, NULL};
    ffi_type no_list = {8, 4, FFI_TYPE_COMPLEX, NULL};
    ffi_type no_part = {8, 4, FFI_TYPE_COMPLEX, none};
    ffi_type void_parts = {8, 4, FFI_TYPE_COMPLEX, of_void};
    refused_type(&no_list, -EINVAL);
    refused_type(&no_part, -EINVAL);
    refused_type(&void_parts, -EINVAL);
}

CASE(a_recursive_type_is_refused)
{
    begin();
    static ffi_type itself, ping, pong, complex;
    static ffi_type *of_itself[] = {&ffi_type_sint, &itself, NULL};
    static ffi_type *of_ping[] = {&pong, NULL}, *of_pong[] = {&ping, NULL};
    static ffi_type *of_complex[] = {&complex, NULL};
    itself = (ffi_type){16, 8, FFI_TYPE_STRUCT, of_itself};
    refused_type(&itself, -EINVAL);
    itself.size = 1000; /* larger than any register: its members would not be needed */
    refused_type(&itself, -EINVAL);
    ping = (ffi_type){8, 8, FFI_TYPE_STRUCT, of_ping};
    pong = (ffi_type){8, 8, FFI_TYPE_STRUCT, of_pong};
    refused_type(&ping, -EINVAL);
    complex = (ffi_type){8, 4, FFI_TYPE_COMPLEX, of_complex};
    refused_type(&complex, -EINVAL);
}

/* However many elements it lists before it comes to itself. */
CASE(a_recursive_type_of_many_elements_is_refused)
{
    enum { N = 131072 };
    begin();
    static ffi_type *members[N + 2];
    static ffi_type self, inner;
    static ffi_type *of_inner[] = {&ffi_type_sint64, &self, NULL};
    for (int i = 0; i < N; i++)
        members[i] = &ffi_type_uint8;
    members[N] = &inner;
    self = (ffi_type){N + 64, 8, FFI_TYPE_STRUCT, members};
    inner = (ffi_type){16, 8, FFI_TYPE_STRUCT, of_inner};
    refused_type(&self, -EINVAL);
    members[N] = &self;
    refused_type(&self, -EINVAL);
}

/* Small on each of its levels, and 3 to the 40th in all. */
CASE(a_type_of_too_many_parts_is_refused)
{
    enum { DEPTH = 40 };
    begin();
    static ffi_type types[2 * DEPTH];
    static ffi_type *lists[2 * DEPTH][4];
    for (int i = 0; i < 2 * DEPTH; i++) {
        ffi_type *one = i < 2 ? &ffi_type_uint8 : &types[i / 2 * 2 - 2];
        ffi_type *other = i < 2 ? &ffi_type_uint16 : &types[i / 2 * 2 - 1];
        lists[i][0] = lists[i][2] = one;
        lists[i][1] = other;
        types[i] = (ffi_type){1000, 2, FFI_TYPE_STRUCT, lists[i]};
    }
    refused_type(&types[2 * DEPTH - 1], -EINVAL);
}

/* A struct in a struct in a struct, which C allows: refused or right. */
CASE(a_deep_type_is_right_or_refused)
{
    enum { DEPTH = 40 };
    begin();
    static ffi_type types[DEPTH];
    static ffi_type *lists[DEPTH][2];
    for (int i = 0; i < DEPTH; i++) {
        lists[i][0] = i ? &types[i - 1] : &ffi_type_double;
        types[i] = (ffi_type){0, 0, FFI_TYPE_STRUCT, lists[i]};
    }
    ffi_type *args[] = {&ffi_type_sint, &types[DEPTH - 1]};
    ffi_cif cif;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint, args), FFI_OK);
    int got = api.prep(made.closure, &cif, test_handler(0), (void *)7, 0);
    CHECK(got == 0 || got == -EINVAL);
    if (got == 0)
        CHECK_EQ(((int (*)(int, double))made.code)(1, 2.0), 8);
}

CASE(a_type_larger_or_less_aligned_than_possible_is_refused)
{
    begin();
    ffi_type *members[] = {&ffi_type_sint, &ffi_type_sint, NULL};
    ffi_type huge = {
        .size = SIZE_MAX - 7, .alignment = 8, .type = FFI_TYPE_STRUCT, .elements = members};
    ffi_type odd = {.size = 8, .alignment = 3, .type = FFI_TYPE_STRUCT, .elements = members};
    ffi_type *args[] = {&huge};
    ffi_cif cif = cif_of(1, &ffi_type_sint, args);
    refused(&cif, -EINVAL);
    args[0] = &odd;
    refused(&cif, -EINVAL);
}

CASE(an_unknown_type_code_is_enotsup)
{
    begin();
    static const unsigned short codes[] = {FFI_TYPE_LAST + 1, 99, 100, 0x7fff, 0xffff};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ffi_type strange = {.size = 4, .alignment = 4, .type = codes[i]};
        refused_type(&strange, -ENOTSUP);
    }
}

CASE(an_abi_that_closures_do_not_have_is_enotsup)
{
    begin();
#if defined __arm__ && defined __ARM_PCS_VFP
    static const int taken[] = {FFI_SYSV, FFI_VFP};
#elif defined __i386__
    static const int taken[] = {FFI_SYSV,     FFI_MS_CDECL, FFI_STDCALL, FFI_THISCALL,
                                FFI_FASTCALL, FFI_PASCAL,   FFI_REGISTER};
#else
    static const int taken[] = {FFI_DEFAULT_ABI};
#endif
    for (int abi = -1; abi <= 99; abi++) {
        bool known = false;
        for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
            known |= abi == taken[i];
        if (known)
            continue;
        ffi_cif cif = cif_of(1, &ffi_type_sint, ints);
        cif.abi = (ffi_abi)abi;
        refused(&cif, -ENOTSUP);
        CHECK_HAS(api.error(), "ABI");
    }
    ffi_cif cif = cif_of(1, &ffi_type_sint, ints);
    cif.abi = (ffi_abi)0x12345678;
    refused(&cif, -ENOTSUP);
}
