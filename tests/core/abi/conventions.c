/* SPDX-License-Identifier: MIT */
/* conventions.c - i386's FFI_PASCAL and FFI_REGISTER, and all others, called by libffi itself
 *
 * No compiler here makes callers of these two, and what libffi's closures take is what ffi_call()
 * gives. The fuzzer has compiled callers for the others (tests/fuzz).
 */
#include "fs_test.h"

#ifndef __i386__
#error "other architectures have one convention, or two that the fuzzer knows"
#endif

static const ffi_abi abis[] = {FFI_SYSV,     FFI_MS_CDECL, FFI_STDCALL, FFI_THISCALL,
                               FFI_FASTCALL, FFI_PASCAL,   FFI_REGISTER};
enum { ABIS = sizeof abis / sizeof *abis, MOST = 12, ROOM = 16 };

struct value {
    char bytes[ROOM];
};
static struct value sent[MOST], seen[MOST];
static long long result;

static void note(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)user;
    for (unsigned i = 0; i < cif->nargs; i++)
        memcpy(&seen[i], args[i], cif->arg_types[i]->size);
    memcpy(ret, &result, cif->rtype->size < sizeof(ffi_arg) ? sizeof(ffi_arg) : cif->rtype->size);
}

/* Call a closure of this signature through libffi and compare what arrives, and what comes back. */
static void check(ffi_abi abi, ffi_type *rtype, unsigned nargs, ffi_type **types)
{
    static unsigned random = 1;
    ffi_cif cif;
    void *code, *args[MOST];
    union {
        ffi_arg word;
        char bytes[ROOM];
    } back = {0};
    CHECK(ffi_prep_cif(&cif, abi, nargs, rtype, types) == FFI_OK);
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    CHECK_EQ(ffi_static_prep(c, &cif, note, NULL, 0), 0);
    for (unsigned i = 0; i < nargs; i++) {
        for (unsigned k = 0; k < ROOM; k++)
            sent[i].bytes[k] = (char)((random = random * 1664525u + 1013904223u) >> 24) & 0x3f;
        args[i] = &sent[i];
    }
    memset(seen, 0, sizeof seen);
    result = 0x3f01020304050607 + nargs;
    ffi_call(&cif, FFI_FN(code), &back, args);
    for (unsigned i = 0; i < nargs; i++)
        CHECK(!memcmp(&sent[i], &seen[i], types[i]->size), "ABI %d, argument %u of %u", abi, i,
              nargs);
    CHECK(rtype == &ffi_type_void || !memcmp(&back, &result, rtype->size), "ABI %d, the result",
          abi);
    CHECK_EQ(ffi_static_free(c), 0);
}

static ffi_type *of_struct[] = {&ffi_type_sint, &ffi_type_double, NULL};
static ffi_type a_struct = {0, 0, FFI_TYPE_STRUCT, of_struct};

/* What libffi and compilers agree on: no struct and no 64-bit integer before the last one word that
 * is in a register. */
static ffi_type *const words[] = {&ffi_type_sint, &ffi_type_uchar, &ffi_type_sshort,
                                  &ffi_type_pointer, &ffi_type_float};

CASE(words_in_every_convention)
{
    ffi_type *types[MOST];
    for (int a = 0; a < ABIS; a++)
        for (unsigned nargs = 0; nargs <= MOST; nargs++)
            for (unsigned first = 0; first < 5; first++) {
                for (unsigned i = 0; i < nargs; i++)
                    types[i] = words[(first + i * (first + 1)) % 5];
                check(abis[a], &ffi_type_sint, nargs, types);
                check(abis[a], &ffi_type_sint64, nargs, types);
                check(abis[a], &ffi_type_double, nargs, types);
                check(abis[a], &ffi_type_void, nargs, types);
            }
}

CASE(wide_arguments_behind_the_registers)
{
    ffi_type *types[] = {&ffi_type_sint,   &ffi_type_sint,   &ffi_type_sint,  &a_struct,
                         &ffi_type_double, &ffi_type_sint64, &ffi_type_float, &ffi_type_longdouble,
                         &ffi_type_schar,  &ffi_type_double, &ffi_type_sint};
    for (int a = 0; a < ABIS; a++)
        for (unsigned nargs = 3; nargs <= 11; nargs++)
            check(abis[a], &ffi_type_uint, nargs, types);
}

/* No compiler makes callers of these two, so any signature may be drawn of what libffi passes. */
CASE(random_signatures_of_pascal_and_register)
{
    static ffi_type *const drawn[] = {&ffi_type_sint,   &ffi_type_uint,       &ffi_type_schar,
                                      &ffi_type_uchar,  &ffi_type_sshort,     &ffi_type_ushort,
                                      &ffi_type_sint64, &ffi_type_pointer,    &ffi_type_float,
                                      &ffi_type_double, &ffi_type_longdouble, &a_struct};
    enum { DRAWN = sizeof drawn / sizeof *drawn, RESULTS = DRAWN - 2 };
    unsigned random = 1;
    for (unsigned n = 0; n < 20000; n++) {
        ffi_type *types[MOST];
        unsigned nargs = n / (2 * RESULTS) % (MOST + 1);
        for (unsigned i = 0; i < nargs; i++)
            types[i] = drawn[((random = random * 1664525u + 1013904223u) >> 16) % DRAWN];
        check(n % 2 ? FFI_PASCAL : FFI_REGISTER, drawn[n / 2 % RESULTS], nargs, types);
    }
}

/* libffi's caller puts the hidden pointer where it puts the first argument. */
CASE(a_struct_returned_by_pascal_or_register_is_enotsup)
{
    for (int a = 0; a < ABIS; a++) {
        ffi_cif cif;
        CHECK(ffi_prep_cif(&cif, abis[a], 0, &a_struct, NULL) == FFI_OK);
        ffi_static_closure *c = test_alloc(sizeof *c, NULL);
        bool refused = abis[a] == FFI_PASCAL || abis[a] == FFI_REGISTER;
        CHECK_EQ(ffi_static_prep(c, &cif, note, NULL, 0), refused ? -ENOTSUP : 0);
        CHECK_EQ(ffi_static_free(c), 0);
    }
}

/* Call `code` with `bytes` of arguments, a multiple of 16: how much of them is not popped. */
long not_popped(void *code, unsigned bytes);
/* clang-format off */
__asm__(".text\n.globl not_popped\n.type not_popped, @function\nnot_popped:\n"
        "pushl %esi\npushl %edi\n"
        "movl 12(%esp), %eax\nmovl 16(%esp), %ecx\n"
        "movl %esp, %esi\nandl $-16, %esp\nmovl %esp, %edi\n"
        "subl %ecx, %esp\ncall *%eax\n"
        "movl %edi, %eax\nsubl %esp, %eax\n"
        "movl %esi, %esp\npopl %edi\npopl %esi\nret\n"
        ".size not_popped, . - not_popped\n.previous\n");
/* clang-format on */

static void look_at_nothing(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)ret, (void)args, (void)user;
}

CASE(the_callee_pops_any_number_of_words)
{
    static const unsigned counts[] = {4, 252, 256, 300, 1024, 4000};
    static ffi_type *types[4000];
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        types[i] = &ffi_type_sint;
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        ffi_cif cif;
        void *code;
        unsigned bytes = counts[i] * 4;
        ffi_static_closure *c = test_alloc(sizeof *c, &code);
        CHECK(ffi_prep_cif(&cif, FFI_STDCALL, counts[i], &ffi_type_sint, types) == FFI_OK);
        CHECK_EQ(ffi_static_prep(c, &cif, look_at_nothing, NULL, 0), 0);
        CHECK_EQ(not_popped(code, bytes), 0);
        CHECK(ffi_prep_cif(&cif, FFI_SYSV, counts[i], &ffi_type_sint, types) == FFI_OK);
        CHECK_EQ(ffi_static_prep(c, &cif, look_at_nothing, NULL, 0), 0);
        CHECK_EQ(not_popped(code, bytes), bytes);
        CHECK_EQ(ffi_static_free(c), 0);
    }
}
