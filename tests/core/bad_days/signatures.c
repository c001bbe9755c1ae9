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
    CHECK_EQ(api.prep(made.closure, &cif, test_handler(0), NULL, 0), 0);
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
    ffi_type *args[] = {&ffi_type_sint, &ffi_type_void};
    ffi_cif cif = cif_of(2, &ffi_type_sint, args);
    refused(&cif, -EINVAL);
    ffi_type *members[] = {&ffi_type_sint, &ffi_type_void, NULL};
    ffi_type holds_void = {.size = 8, .alignment = 4, .type = FFI_TYPE_STRUCT, .elements = members};
    args[1] = &holds_void;
    refused(&cif, -EINVAL);
}

CASE(an_incomplete_struct_is_refused)
{
    begin();
    ffi_type *members[] = {&ffi_type_sint, NULL};
    ffi_type no_members = {.size = 4, .alignment = 4, .type = FFI_TYPE_STRUCT};
    ffi_type no_layout = {.type = FFI_TYPE_STRUCT, .elements = members};
    ffi_type *args[] = {&no_members};
    ffi_cif cif = cif_of(1, &ffi_type_sint, args);
    refused(&cif, -EINVAL);
    args[0] = &no_layout; /* ffi_prep_cif() was never asked to lay it out */
    refused(&cif, -EINVAL);
    cif = cif_of(0, &no_members, NULL);
    refused(&cif, -EINVAL);
    cif = cif_of(0, &no_layout, NULL);
    refused(&cif, -EINVAL);
}

CASE(a_recursive_struct_is_refused)
{
    begin();
    ffi_type *members[3] = {&ffi_type_sint, NULL, NULL};
    ffi_type itself = {.size = 8, .alignment = 4, .type = FFI_TYPE_STRUCT, .elements = members};
    members[1] = &itself;
    ffi_type *args[] = {&itself};
    ffi_cif as_argument = cif_of(1, &ffi_type_sint, args), as_result = cif_of(0, &itself, NULL);
    refused(&as_argument, -EINVAL);
    refused(&as_result, -EINVAL);
    /* and over two steps */
    ffi_type *back[] = {&itself, NULL};
    ffi_type other = {.size = 8, .alignment = 4, .type = FFI_TYPE_STRUCT, .elements = back};
    members[1] = &other;
    refused(&as_argument, -EINVAL);
    refused(&as_result, -EINVAL);
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

CASE(an_unknown_type_code_is_refused)
{
    begin();
    static const unsigned short codes[] = {FFI_TYPE_LAST + 1, 100, 0x7fff, 0xffff};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ffi_type strange = {.size = 4, .alignment = 4, .type = codes[i]};
        ffi_type *args[] = {&strange};
        ffi_cif cif = cif_of(1, &ffi_type_sint, args);
        int got = api.prep(made.closure, &cif, test_handler(0), NULL, 0);
        CHECK(got == -EINVAL || got == -ENOTSUP);
        cif = cif_of(0, &strange, NULL);
        got = api.prep(made.closure, &cif, test_handler(0), NULL, 0);
        CHECK(got == -EINVAL || got == -ENOTSUP);
        still_what_it_was();
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
}
