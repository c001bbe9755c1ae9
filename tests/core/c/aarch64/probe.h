/* SPDX-License-Identifier: MIT */
/* probe.h - AArch64: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

enum { REGISTERS = 32, SP = 31, VECTORS = 32, VECTOR_WORDS = 2, STACK_WORDS = 16 };

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_X0
#define ARGUMENT_2 FFI_STATIC_X2
#define OWN FFI_STATIC_X17
#define ANY FFI_STATIC_X11
#define OTHER FFI_STATIC_X12
#define THIRD FFI_STATIC_X9

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == FFI_STATIC_X16 - 1 || r == OWN - 1;
}

#include "../probe_state.h"

#define PAIRS_OF(op, base, at)                                                                     \
    op(2, 3, base, at) op(4, 5, base, at) op(6, 7, base, at) op(8, 9, base, at)                    \
        op(10, 11, base, at) op(12, 13, base, at) op(14, 15, base, at) op(16, 17, base, at)        \
            op(18, 19, base, at) op(20, 21, base, at) op(22, 23, base, at) op(24, 25, base, at)    \
                op(26, 27, base, at) op(28, 29, base, at)
#define LOAD(a, b, base, at) "ldp x" #a ", x" #b ", [" #base ", 8 * " #a "]\n"
#define STORE(a, b, base, at) "stp x" #a ", x" #b ", [" #base ", 8 * " #a "]\n"
#define LOAD_VECTORS(a, b, base, at) "ldp q" #a ", q" #b ", [" #base ", 16 * " #a " + " #at "]\n"
#define STORE_VECTORS(a, b, base, at) "stp q" #a ", q" #b ", [" #base ", 16 * " #a " + " #at "]\n"
#define SAVED(op)                                                                                  \
    op " x19, x20, [sp, 128]\n" op " x21, x22, [sp, 144]\n" op " x23, x24, [sp, 160]\n" op         \
       " x25, x26, [sp, 176]\n" op " x27, x28, [sp, 192]\n" op " x29, x30, [sp, 208]\n" op         \
       " d8, d9, [sp, 224]\n" op " d10, d11, [sp, 240]\n" op " d12, d13, [sp, 256]\n" op           \
       " d14, d15, [sp, 272]\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, %function\nhop_probe:\n"
        "hint 34\n" /* bti c */
        "sub sp, sp, 288\n" /* STACK_WORDS, then what is kept */
        SAVED("stp")
        "adrp x30, hop_in\nadd x30, x30, :lo12:hop_in\n"
        ".set fs_k, 0\n.rept 8\n"
        "ldr x0, [x30, 776 + 16 * fs_k]\nldr x1, [x30, 776 + 16 * fs_k + 8]\n"
        "stp x0, x1, [sp, 16 * fs_k]\n.set fs_k, fs_k + 1\n.endr\n"
        "mov x0, sp\nstr x0, [x30, 8 * 31]\n"
        LOAD_VECTORS(0, 1, x30, 256) PAIRS_OF(LOAD_VECTORS, x30, 256) LOAD_VECTORS(30, 31, x30, 256)
        "ldr x0, [x30, 768]\nmsr nzcv, x0\n"
        "ldp x0, x1, [x30]\n" PAIRS_OF(LOAD, x30, 0)
        "adrp x16, hop_callee\nldr x16, [x16, :lo12:hop_callee]\n"
        "blr x16\n"
        ".globl hop_back\nhop_back:\n"
        SAVED("ldp")
        "add sp, sp, 288\n"
        "ret\n.size hop_probe, . - hop_probe\n"

        /* x30 may hold the data, so this does not return by it. */
        ".balign 16\n.globl hop_target\n.type hop_target, %function\nhop_target:\n"
        "hint 34\n"
        "stp x0, x1, [sp, -16]!\n"
        "adrp x0, hop_out\nadd x0, x0, :lo12:hop_out\n"
        PAIRS_OF(STORE, x0, 0)
        "str x30, [x0, 8 * 30]\n"
        "ldp x2, x3, [sp], 16\nstp x2, x3, [x0]\n"
        "mov x2, sp\nstr x2, [x0, 8 * 31]\n"
        STORE_VECTORS(0, 1, x0, 256) PAIRS_OF(STORE_VECTORS, x0, 256) STORE_VECTORS(30, 31, x0, 256)
        "mrs x2, nzcv\nstr x2, [x0, 768]\n"
        ".set fs_k, 0\n.rept 16\n"
        "ldr x2, [sp, 8 * fs_k]\nstr x2, [x0, 776 + 8 * fs_k]\n.set fs_k, fs_k + 1\n.endr\n"
        "b hop_back\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 256, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 768 && offsetof(struct state, stack) == 776, "too");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    in->gpr[30] = (uintptr_t)hop_back;
}

static inline void expect_after(struct state *in)
{
    (void)in;
}

/* N, Z, C and V. */
#define FLAGS_SET 0xf0000000u
#define FLAGS_CLEAR 0u
#define FLAGS_SEEN 0xf0000000u

#endif
