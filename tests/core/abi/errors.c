/* SPDX-License-Identifier: MIT */
/* errors.c - bad arguments, bad cifs and bad types are refused with the documented errno
 *
 * Each also checks that the closure still does what it did before the refused call.
 */
#include "fs_test.h"

static void *const seven = (void *)7; /* what the handler adds */
static void *code;
static ffi_static_closure *good;

/* A prepared closure, which every refusal must leave alone. */
static ffi_static_closure *prepared(void)
{
    good = test_alloc(sizeof *good, &code);
    CHECK(ffi_static_prep(good, test_cif(OF_INT), test_handler(OF_INT), seven, 0) == 0);
    return good;
}

static void still_works(void)
{
    CHECK(((int (*)(int))code)(35) == 42);
    CHECK(ffi_static_free(good) == 0);
}

/* A cif built by hand, since ffi_prep_cif refuses what these tests need. */
static ffi_cif cif_of(ffi_type *result, unsigned n, ffi_type **args)
{
    ffi_cif cif = *test_cif(OF_INT);
    cif.rtype = result, cif.nargs = n, cif.arg_types = args;
    return cif;
}

static void refuse_cif(ffi_cif *cif, int code_wanted)
{
    ffi_static_closure *c = prepared();
    int rc = ffi_static_prep(c, cif, test_handler(OF_INT), seven, 0);
    CHECK(rc == -code_wanted, "expected %d, seen %d", -code_wanted, rc);
    CHECK(api.error()[0]);
    still_works();
}

static void refuse_arg(ffi_type *type, int code_wanted)
{
    ffi_type *args[] = {&ffi_type_sint32, type};
    ffi_cif cif = cif_of(&ffi_type_sint32, 2, args);
    refuse_cif(&cif, code_wanted);
    cif = cif_of(type, 1, args);
    if (type != &ffi_type_void)
        refuse_cif(&cif, code_wanted);
}

CASE(alloc_unknown_flags)
{
    for (int bit = 0; bit < 32; bit++) {
        void *untouched = &code;
        errno = 0;
        CHECK(!ffi_static_alloc(CELL, 1u << bit, &untouched), "bit %d", bit);
        CHECK(errno == EINVAL && api.error()[0]);
        CHECK(untouched == &code, "*code was changed");
    }
}

CASE(alloc_bad_sizes)
{
    static const size_t sizes[] = {
        0, 1, CELL - 1, FFI_STATIC_MAX_SIZE + 1, 1u << 20, SIZE_MAX - 63, SIZE_MAX};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        errno = 0;
        CHECK(!ffi_static_alloc(sizes[i], 0, &code), "size %zu", sizes[i]);
        CHECK(errno == EINVAL && api.error()[0]);
    }
}

CASE(alloc_without_code)
{
    ffi_static_closure *c = test_alloc(CELL, NULL);
    CHECK(ffi_static_prep(c, test_cif(OF_INT), test_handler(OF_INT), seven, 0) == 0);
    CHECK(((int (*)(int))ffi_static_address(c))(1) == 8);
    CHECK(ffi_static_free(c) == 0);
}

CASE(prep_null)
{
    ffi_static_closure *c = prepared();
    REFUSED(ffi_static_prep(NULL, test_cif(OF_INT), test_handler(OF_INT), NULL, 0), EINVAL);
    REFUSED(ffi_static_prep(c, NULL, test_handler(OF_INT), NULL, 0), EINVAL);
    REFUSED(ffi_static_prep(c, test_cif(OF_INT), NULL, NULL, 0), EINVAL);
    still_works();
}

CASE(prep_unknown_flags)
{
    ffi_static_closure *c = prepared();
    for (int bit = 0; bit < 32; bit++)
        REFUSED(ffi_static_prep(c, test_cif(OF_INT), test_handler(OF_INT), NULL, 1u << bit),
                EINVAL);
    still_works();
}

CASE(prep_foreign)
{
    static union {
        ffi_static_closure closure;
        char bytes[256];
    } fake __attribute__((aligned(64)));
    ffi_static_closure *c = prepared();
    ffi_cif *cif = test_cif(OF_INT);
    REFUSED(ffi_static_prep(&fake.closure, cif, test_handler(OF_INT), NULL, 0), EINVAL);
    REFUSED(
        ffi_static_prep((ffi_static_closure *)((char *)c + 1), cif, test_handler(OF_INT), NULL, 0),
        EINVAL);
    REFUSED(
        ffi_static_prep((ffi_static_closure *)((char *)c + 8), cif, test_handler(OF_INT), NULL, 0),
        EINVAL);
    REFUSED(
        ffi_static_prep((ffi_static_closure *)(uintptr_t)64, cif, test_handler(OF_INT), NULL, 0),
        EINVAL);
    REFUSED(
        ffi_static_prep((ffi_static_closure *)(uintptr_t)-64, cif, test_handler(OF_INT), NULL, 0),
        EINVAL);
    still_works();
}

CASE(prep_inside_a_run)
{
    ffi_static_closure *run = test_alloc(256, NULL);
    REFUSED(ffi_static_prep(run + 1, test_cif(OF_INT), test_handler(OF_INT), NULL, 0), EINVAL);
    REFUSED(ffi_static_prep(run + 3, test_cif(OF_INT), test_handler(OF_INT), NULL, 0), EINVAL);
    CHECK(ffi_static_free(run) == 0);
}

CASE(prep_freed)
{
    ffi_static_closure *c = prepared();
    CHECK(ffi_static_free(c) == 0);
    REFUSED(ffi_static_prep(c, test_cif(OF_INT), test_handler(OF_INT), NULL, 0), EALREADY);
}

/* 32-bit ones have more than one. */
static bool is_taken(int abi)
{
#if defined __arm__ && defined __ARM_PCS_VFP
    return abi == FFI_SYSV || abi == FFI_VFP;
#elif defined __i386__
    return abi != 0 && abi != 2; /* the numbers that libffi leaves out, and FFI_LAST_ABI is next */
#else
    return abi == FFI_DEFAULT_ABI;
#endif
}

CASE(wrong_abi)
{
    ffi_cif cif = *test_cif(OF_INT);
    for (int abi = 0; abi <= FFI_LAST_ABI; abi++) {
        cif.abi = (ffi_abi)abi;
        if (!is_taken(abi))
            refuse_cif(&cif, ENOTSUP);
    }
    cif.abi = (ffi_abi)0x12345678;
    refuse_cif(&cif, ENOTSUP);
}

static ffi_type *ints[FFI_STATIC_MAX_ARGS + 1];

CASE(many_args)
{
    for (unsigned i = 0; i <= FFI_STATIC_MAX_ARGS; i++)
        ints[i] = &ffi_type_sint32;
    ffi_cif cif = cif_of(&ffi_type_sint32, FFI_STATIC_MAX_ARGS + 1, ints);
    refuse_cif(&cif, EINVAL);
    cif.nargs = 0x7fffffff;
    refuse_cif(&cif, EINVAL);
    cif.nargs = 0xffffffff;
    refuse_cif(&cif, EINVAL);
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, FFI_STATIC_MAX_ARGS, &ffi_type_sint32, ints) ==
          FFI_OK);
    ffi_static_closure *c = prepared();
    CHECK(ffi_static_prep(c, &cif, test_handler(OF_INT), seven, 0) == 0);
    CHECK(((int (*)(int))code)(1) == 8, "the first of 65,535 arguments");
    CHECK(ffi_static_free(c) == 0);
}

CASE(missing_types)
{
    ffi_type *holes[] = {&ffi_type_sint32, NULL};
    ffi_cif cif = cif_of(&ffi_type_sint32, 1, NULL);
    refuse_cif(&cif, EINVAL);
    cif = cif_of(&ffi_type_sint32, 2, holes);
    refuse_cif(&cif, EINVAL);
    cif = cif_of(NULL, 1, holes);
    refuse_cif(&cif, EINVAL);
}

CASE(void_argument)
{
    refuse_arg(&ffi_type_void, EINVAL);
    ffi_type *members[] = {&ffi_type_void, NULL};
    ffi_type with_void = {8, 8, FFI_TYPE_STRUCT, members};
    refuse_arg(&with_void, EINVAL);
}

CASE(incomplete_struct)
{
    ffi_type *none[] = {NULL}, *one[] = {&ffi_type_sint32, NULL};
    ffi_type no_list = {8, 8, FFI_TYPE_STRUCT, NULL};
    ffi_type no_members = {8, 8, FFI_TYPE_STRUCT, none};
    ffi_type not_laid_out = {0, 0, FFI_TYPE_STRUCT, one};
    ffi_type no_alignment = {4, 0, FFI_TYPE_STRUCT, one};
    refuse_arg(&no_list, EINVAL);
    refuse_arg(&no_members, EINVAL);
    refuse_arg(&not_laid_out, EINVAL);
    refuse_arg(&no_alignment, EINVAL);
    ffi_type *inner[] = {&ffi_type_sint32, &no_list, NULL};
    ffi_type outer = {16, 8, FFI_TYPE_STRUCT, inner};
    refuse_arg(&outer, EINVAL);
}

CASE(recursive_type)
{
    static ffi_type self, ping, pong;
    static ffi_type *of_self[] = {&ffi_type_sint32, &self, NULL};
    static ffi_type *of_ping[] = {&pong, NULL}, *of_pong[] = {&ping, NULL};
    self = (ffi_type){16, 8, FFI_TYPE_STRUCT, of_self};
    refuse_arg(&self, EINVAL);
    ping = (ffi_type){8, 8, FFI_TYPE_STRUCT, of_ping};
    pong = (ffi_type){8, 8, FFI_TYPE_STRUCT, of_pong};
    refuse_arg(&ping, EINVAL);
    self.size = 1000; /* larger than any register: no reason to look inside, so no harm */
    ffi_type *args[] = {&ffi_type_sint32, &self};
    ffi_cif cif = cif_of(&ffi_type_sint32, 2, args);
    refuse_cif(&cif, EINVAL);
    ffi_type looped = {8, 4, FFI_TYPE_COMPLEX, NULL};
    ffi_type *of_looped[] = {&looped, NULL};
    looped.elements = of_looped;
    refuse_arg(&looped, EINVAL);
}

/* However many elements it lists before it comes to itself. */
CASE(recursive_type_of_many)
{
    enum { N = 131072 };
    static ffi_type *members[N + 2];
    static ffi_type self, inner;
    static ffi_type *of_inner[] = {&ffi_type_sint64, &self, NULL};
    for (int i = 0; i < N; i++)
        members[i] = &ffi_type_uint8;
    members[N] = &inner;
    self = (ffi_type){N + 64, 8, FFI_TYPE_STRUCT, members};
    inner = (ffi_type){16, 8, FFI_TYPE_STRUCT, of_inner};
    refuse_arg(&self, EINVAL);
    members[N] = &self;
    refuse_arg(&self, EINVAL);
}

/* Small on each of its levels, and 3 to the 40th in all. */
CASE(type_of_too_many_parts)
{
    enum { DEPTH = 40 };
    static ffi_type types[2 * DEPTH];
    static ffi_type *lists[2 * DEPTH][4];
    for (int i = 0; i < 2 * DEPTH; i++) {
        ffi_type *one = i < 2 ? &ffi_type_uint8 : &types[i / 2 * 2 - 2];
        ffi_type *other = i < 2 ? &ffi_type_uint16 : &types[i / 2 * 2 - 1];
        lists[i][0] = lists[i][2] = one;
        lists[i][1] = other;
        types[i] = (ffi_type){1000, 2, FFI_TYPE_STRUCT, lists[i]};
    }
    refuse_arg(&types[2 * DEPTH - 1], EINVAL);
}

CASE(deep_type)
{
    enum { DEPTH = 40 };
    static ffi_type types[DEPTH];
    static ffi_type *lists[DEPTH][2];
    for (int i = 0; i < DEPTH; i++) {
        lists[i][0] = i ? &types[i - 1] : &ffi_type_double;
        types[i] = (ffi_type){0, 0, FFI_TYPE_STRUCT, lists[i]};
    }
    ffi_type *args[] = {&ffi_type_sint32, &types[DEPTH - 1]};
    ffi_cif cif;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint32, args) == FFI_OK);
    ffi_static_closure *c = prepared();
    int rc = ffi_static_prep(c, &cif, test_handler(OF_INT), seven, 0);
    CHECK(rc == 0 || rc == -EINVAL, "%d", rc);
    if (rc == 0)
        CHECK(((int (*)(int, double))code)(1, 2.0) == 8);
    CHECK(ffi_static_free(c) == 0);
}

CASE(complex_without_part)
{
    ffi_type *none[] = {NULL}, *chars[] = {&ffi_type_void, NULL};
    ffi_type no_list = {8, 4, FFI_TYPE_COMPLEX, NULL};
    ffi_type no_part = {8, 4, FFI_TYPE_COMPLEX, none};
    ffi_type of_void = {8, 4, FFI_TYPE_COMPLEX, chars};
    refuse_arg(&no_list, EINVAL);
    refuse_arg(&no_part, EINVAL);
    refuse_arg(&of_void, EINVAL);
}

CASE(unknown_type)
{
    ffi_type odd = {4, 4, 99, NULL}, huge = {4, 4, 0xffff, NULL};
    refuse_arg(&odd, ENOTSUP);
    refuse_arg(&huge, ENOTSUP);
}
