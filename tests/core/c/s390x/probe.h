/* SPDX-License-Identifier: MIT */
/* probe.h - s390x: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

enum { REGISTERS = 16, SP = 15, VECTORS = 16, VECTOR_WORDS = 1, STACK_WORDS = 16 };

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_R2
#define ARGUMENT_2 FFI_STATIC_R4
#define OWN FFI_STATIC_R0
#define ANY FFI_STATIC_R5
#define OTHER FFI_STATIC_R3
#define THIRD FFI_STATIC_R0
/* What every jump goes through. */
#define NO_DATA FFI_STATIC_R1

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1 || r == NO_DATA - 1;
}

/* Flags: the condition code is where IPM puts it. The stack is that from 160 bytes above r15 on. */
#include "../probe_state.h"

#define VECTORS_OF(op, base)                                                                       \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n" op                            \
    " %f\\n, 128 + 8 * \\n(" base ")\n.endr\n"
#define SAVED(op)                                                                                  \
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n" op " %f\\n, 288 + 8 * (\\n - 8)(%r15)\n.endr\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, %function\nhop_probe:\n"
        "stmg %r6, %r15, 48(%r15)\n"
        "aghi %r15, -352\n" /* 160; STACK_WORDS; what is kept */
        SAVED("std")
        "larl %r14, hop_in\n"
        "mvc 160(128, %r15), 264(%r14)\n"
        "stg %r15, 120(%r14)\n"
        VECTORS_OF("ld", "%r14")
        "tm 260(%r14), 1\njo 1f\nclr %r14, %r14\nj 2f\n" /* condition code 0 */
        "1: tm 260(%r14), 1\n"                             /* or 3 */
        "2: lmg %r0, %r13, 0(%r14)\n"
        "larl %r14, hop_callee\nlg %r14, 0(%r14)\n"
        "basr %r14, %r14\n"
        ".globl hop_back\nhop_back:\n"
        SAVED("ld")
        "lmg %r6, %r15, 400(%r15)\n"
        "br %r14\n.size hop_probe, . - hop_probe\n"

        /* r14 may hold the data, so this does not return by it. */
        ".balign 16\n.globl hop_target\n.type hop_target, %function\nhop_target:\n"
        "stmg %r0, %r1, 16(%r15)\n"
        "larl %r1, hop_out\n"
        "stmg %r2, %r15, 16(%r1)\n"
        "mvc 0(16, %r1), 16(%r15)\n"
        VECTORS_OF("std", "%r1")
        "lghi %r2, 0\nipm %r2\nstg %r2, 256(%r1)\n"
        "mvc 264(128, %r1), 160(%r15)\n"
        "jg hop_back\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 128, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 256 && offsetof(struct state, stack) == 264, "too");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    in->gpr[14] = (uintptr_t)hop_back;
}

static inline void expect_after(struct state *in)
{
    (void)in;
}

/* The condition code, 3 or 0, as IPM has it; bit 24 tells the probe which to set. */
#define FLAGS_SET (0x30000000u | 1u << 24)
#define FLAGS_CLEAR 0u
#define FLAGS_SEEN 0x30000000u

#endif
