/* SPDX-License-Identifier: MIT */
/* probe.h - ELFv2: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

enum { REGISTERS = 32, SP = 1, VECTORS = 64, VECTOR_WORDS = 2, STACK_WORDS = 16 };

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_R3
#define ARGUMENT_2 FFI_STATIC_R5
#define OWN FFI_STATIC_R11
#define ANY FFI_STATIC_R10
#define OTHER FFI_STATIC_R9
#define THIRD FFI_STATIC_R0

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1 || r == FFI_STATIC_R12 - 1;
}

/* Vectors are those of VSX: f0 .. f31, v0 .. v31. Flags are the condition register, and CA of XER
 * above it. */
#include "../probe_state.h"

#define MOST "2, 3, 4, 5, 6, 7, 8, 9, 10"
#define KEPT "14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31"
/* r13 is the thread pointer: it is the same all along. r0, r1, r11, r12 are done by hand. */
#define EACH(op, base) ".irp n, " MOST ", " KEPT "\n" op " %r\\n, 8 * \\n(" base ")\n.endr\n"
#define SAVED(op, float_op)                                                                        \
    ".irp n, " KEPT "\n" op " %r\\n, 160 + 8 * (\\n - 14)(%r1)\n" float_op                         \
    " %f\\n, 304 + 8 * (\\n - 14)(%r1)\n.endr\n"
#define SAVED_VECTORS(op)                                                                          \
    ".irp n, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\nli %r0, 448 + 16 * (\\n - 20)\n" op   \
    " %v\\n, %r1, %r0\n.endr\n"
#define VECTORS_OF(op, base)                                                                       \
    ".set fs_k, 0\n.rept 64\nli %r0, 256 + 16 * fs_k\n" op " fs_k, " base                          \
    ", %r0\n.set fs_k, fs_k + 1\n.endr\n"
#define ADDRESS(r, symbol)                                                                         \
    "bcl 20, 31, 9f\n9: mflr " r "\naddis " r ", " r ", (" symbol " - 9b)@ha\naddi " r ", " r      \
    ", (" symbol " - 9b)@l\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, %function\nhop_probe:\n"
        "mflr %r0\nstd %r0, 16(%r1)\nmfcr %r0\nstd %r0, 8(%r1)\n"
        "stdu %r1, -656(%r1)\n" /* 32; STACK_WORDS; what is kept */
        SAVED("std", "stfd") SAVED_VECTORS("stvx") "std %r2, 24(%r1)\nstd %r13, 640(%r1)\n"
        ADDRESS("%r11", "hop_in")
        "std %r1, 8(%r11)\nstd %r13, 104(%r11)\n"
        VECTORS_OF("lxvd2x", "%r11")
        ".set fs_k, 0\n.rept 16\n"
        "ld %r0, 1288 + 8 * fs_k(%r11)\nstd %r0, 32 + 8 * fs_k(%r1)\n.set fs_k, fs_k + 1\n.endr\n"
        "ld %r0, 1280(%r11)\nmtcrf 255, %r0\nsrdi %r0, %r0, 3\nmtxer %r0\n"
        EACH("ld", "%r11")
        "ld %r0, 0(%r11)\n"
        "addis %r12, %r11, (hop_callee - hop_in)@ha\nld %r12, (hop_callee - hop_in)@l(%r12)\n"
        "mtctr %r12\n"
        "bctrl\n"
        ".globl hop_back\nhop_back:\n"
        SAVED("ld", "lfd") SAVED_VECTORS("lvx") "ld %r2, 24(%r1)\nld %r13, 640(%r1)\n"
        "addi %r1, %r1, 656\n"
        "ld %r0, 8(%r1)\nmtcrf 0x38, %r0\nld %r0, 16(%r1)\nmtlr %r0\n"
        "blr\n.size hop_probe, . - hop_probe\n"

        /* What the caller's frame keeps for a callee: CR, LR, and its own TOC's place is not ours. */
        ".balign 16\n.globl hop_target\n.type hop_target, %function\nhop_target:\n"
        "std %r0, -8(%r1)\nstd %r11, -16(%r1)\nstd %r12, -24(%r1)\n"
        "mflr %r0\nstd %r0, -32(%r1)\n"
        ADDRESS("%r11", "hop_out")
        EACH("std", "%r11")
        "std %r1, 8(%r11)\nstd %r13, 104(%r11)\n"
        "mfcr %r0\nmfxer %r12\nrlwinm %r12, %r12, 0, 2, 2\nsldi %r12, %r12, 3\nor %r0, %r0, %r12\n"
        "std %r0, 1280(%r11)\n"
        VECTORS_OF("stxvd2x", "%r11")
        "ld %r0, -8(%r1)\nstd %r0, 0(%r11)\nld %r0, -16(%r1)\nstd %r0, 88(%r11)\n"
        "ld %r0, -24(%r1)\nstd %r0, 96(%r11)\n"
        ".set fs_k, 0\n.rept 16\n"
        "ld %r0, 32 + 8 * fs_k(%r1)\nstd %r0, 1288 + 8 * fs_k(%r11)\n.set fs_k, fs_k + 1\n.endr\n"
        "ld %r0, -32(%r1)\nmtlr %r0\nblr\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 256, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 1280 && offsetof(struct state, stack) == 1288, "");

/* What the call itself does to the state that was loaded: nothing; LR is what hop_target returns
 * by. */
static inline void expect_before(struct state *in)
{
    (void)in;
}

static inline void expect_after(struct state *in)
{
    (void)in;
}

/* All fields of CR, and CA (bit 29 of XER, three further up). */
#define FLAGS_SET (0xa5a5a5a5u | UINT64_C(1) << 32)
#define FLAGS_CLEAR 0u
#define FLAGS_SEEN (0xffffffffu | UINT64_C(1) << 32)

#endif
