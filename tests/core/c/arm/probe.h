/* SPDX-License-Identifier: MIT */
/* probe.h - ARM: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

/* VFP's registers d0 to d15, where there are such. Where in struct state FLAGS and STACK are. */
#ifdef __ARM_PCS_VFP
#define VECTORS 16
#define VFP(instructions) instructions
#define FLAGS "#248"
#define STACK "#256"
#else
#define VECTORS 0
#define VFP(instructions) ""
#define FLAGS "#120"
#define STACK "#128"
#endif
enum { REGISTERS = 15, SP = 13, VECTOR_WORDS = 1, STACK_WORDS = 16 };

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_R0
#define ARGUMENT_2 FFI_STATIC_R2
#define OWN FFI_STATIC_R12
#define ANY FFI_STATIC_R12
#define OTHER FFI_STATIC_R3
#define THIRD FFI_STATIC_R1

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1;
}

/* Of registers, the upper halves of words are 0. */
#include "../probe_state.h"

/* r = the address of a symbol, whatever this is linked into. */
#define ADDRESS(r, of)                                                                             \
    "ldr " r ", 7f\n8: add " r ", pc, " r "\nb 9f\n7: .word " of " - (8b + 8)\n9:\n"
#define LOW "r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12"

/* clang-format off */
__asm__(".text\n.syntax unified\n.arm\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, %function\nhop_probe:\n"
        "push {r4-r11, lr}\n" VFP("vpush {d8-d15}\n")
        "sub sp, sp, #132\n" /* STACK_WORDS, and alignment */
        ADDRESS("lr", "hop_in")
        "str sp, [lr, #104]\n"
        "add r0, lr, " STACK "\nmov r1, #0\n"
        "1: ldr r2, [r0, r1]\nstr r2, [sp, r1]\nadd r1, r1, #4\ncmp r1, #128\nbne 1b\n"
        VFP("add r0, lr, #120\nvldmia r0, {d0-d15}\n")
        "ldr r0, [lr, " FLAGS "]\nmsr cpsr_f, r0\n"
        ".set fs_k, 0\n.irp r, r0, r1, " LOW "\nldr \\r, [lr, #8 * fs_k]\n.set fs_k, fs_k + 1\n.endr\n"
        ADDRESS("ip", "hop_callee")
        "ldr ip, [ip]\nblx ip\n"
        ".globl hop_back\nhop_back:\n"
        "add sp, sp, #132\n" VFP("vpop {d8-d15}\n") "pop {r4-r11, pc}\n"
        ".size hop_probe, . - hop_probe\n"

        /* lr may hold the data, so this does not return by it. */
        ".balign 16\n.globl hop_target\n.type hop_target, %function\nhop_target:\n"
        "push {r0, r1}\n"
        ADDRESS("r0", "hop_out")
        "mov r1, #0\n"
        ".set fs_k, 2\n.irp r, " LOW "\nstr \\r, [r0, #8 * fs_k]\nstr r1, [r0, #8 * fs_k + 4]\n"
        ".set fs_k, fs_k + 1\n.endr\n"
        "str lr, [r0, #112]\nstr r1, [r0, #116]\n"
        "mrs r2, cpsr\nstr r2, [r0, " FLAGS "]\nstr r1, [r0, " FLAGS " + 4]\n"
        "pop {r2, r3}\nstr r2, [r0]\nstr r1, [r0, #4]\nstr r3, [r0, #8]\nstr r1, [r0, #12]\n"
        "str sp, [r0, #104]\nstr r1, [r0, #108]\n"
        VFP("add r2, r0, #120\nvstmia r2, {d0-d15}\n")
        "add r0, r0, " STACK "\n"
        "1: ldr r2, [sp, r1]\nstr r2, [r0, r1]\nadd r1, r1, #4\ncmp r1, #128\nbne 1b\n"
        "b hop_back\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 120, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 120 + 8 * VECTORS, "FLAGS");
_Static_assert(offsetof(struct state, stack) == 128 + 8 * VECTORS, "STACK");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    in->gpr[14] = (uintptr_t)hop_back;
    for (int r = 0; r < REGISTERS; r++)
        in->gpr[r] &= UINT32_MAX;
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
