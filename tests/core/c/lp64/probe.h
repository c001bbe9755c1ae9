/* SPDX-License-Identifier: MIT */
/* probe.h - RISC-V and LoongArch: calls an address with every register known, and sees what arrives
 *
 * probe.h of either includes this after it has defined, with registers by their DWARF numbers:
 *
 *   SP_NUMBER, FREE_NUMBER  the stack pointer; a register that a callee may change. ra is 1
 *   ZERO                 which is always zero
 *   GENERAL, KEPT        ".irp" lists: all but zero, ra and the stack pointer; what a callee keeps,
 *                        and ra
 *   FLOATS_KEPT          the same of floating-point registers
 *   OPS                  assembly macros: load and store (fz_ld, fz_st, fz_fld, fz_fst: register,
 *                        offset, base), fz_add register, constant; fz_la register, symbol; fz_call
 *                        and fz_jump; fz_get_flags and fz_set_flags register; fz_ret
 */
#ifndef PROBE_LP64_H
#define PROBE_LP64_H

enum { REGISTERS = 32, VECTORS = 32, VECTOR_WORDS = 1, STACK_WORDS = 16, RA = 1 };

/* Flags are those of the floating-point unit; there are no others. */
#include "../probe_state.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define EACH(list, body) ".irp n, " list "\n" body "\n.endr\n"
#define ALL_FLOATS                                                                                 \
    "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, "   \
    "25, 26, 27, 28, 29, 30, 31"
#define WORDS "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
#define STACK TEXT(SP_NUMBER)
#define BASE TEXT(FREE_NUMBER)

/* clang-format off */
__asm__(".text\n" OPS
        ".balign 16\n.globl hop_probe\n.type hop_probe, %function\nhop_probe:\n"
        "fz_add " STACK ", -640\n" /* STACK_WORDS, then what is kept */
        EACH(KEPT, "fz_st \\n, 128 + 8 * \\n, " STACK)
        EACH(FLOATS_KEPT, "fz_fst \\n, 384 + 8 * \\n, " STACK)
        "fz_la 1, hop_in\n"
        EACH(WORDS, "fz_ld " BASE ", 520 + 8 * \\n, 1\nfz_st " BASE ", 8 * \\n, " STACK)
        "fz_st " STACK ", 8 * " STACK ", 1\n"
        EACH(ALL_FLOATS, "fz_fld \\n, 256 + 8 * \\n, 1")
        "fz_ld " BASE ", 512, 1\nfz_set_flags " BASE "\n"
        EACH(GENERAL, "fz_ld \\n, 8 * \\n, 1")
        "fz_la 1, hop_callee\nfz_ld 1, 0, 1\n"
        "fz_call 1\n"
        ".globl hop_back\nhop_back:\n"
        EACH(KEPT, "fz_ld \\n, 128 + 8 * \\n, " STACK)
        EACH(FLOATS_KEPT, "fz_fld \\n, 384 + 8 * \\n, " STACK)
        "fz_add " STACK ", 640\n"
        "fz_ret\n.size hop_probe, . - hop_probe\n"

        /* ra may hold the data, so this does not return by it. */
        ".balign 16\n.globl hop_target\n.type hop_target, %function\nhop_target:\n"
        "fz_add " STACK ", -16\n"
        "fz_st " BASE ", 0, " STACK "\n"
        "fz_la " BASE ", hop_out\n"
        EACH(GENERAL, "fz_st \\n, 8 * \\n, " BASE)
        "fz_st 0, 0, " BASE "\nfz_st 1, 8, " BASE "\n"
        "fz_ld 1, 0, " STACK "\nfz_st 1, 8 * " BASE ", " BASE "\n"
        "fz_add " STACK ", 16\n"
        "fz_st " STACK ", 8 * " STACK ", " BASE "\n"
        EACH(ALL_FLOATS, "fz_fst \\n, 256 + 8 * \\n, " BASE)
        "fz_get_flags 1\nfz_st 1, 512, " BASE "\n"
        EACH(WORDS, "fz_ld 1, 8 * \\n, " STACK "\nfz_st 1, 520 + 8 * \\n, " BASE)
        "fz_jump hop_back\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 256, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 512 && offsetof(struct state, stack) == 520, "too");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    in->gpr[ZERO] = 0;
    in->gpr[RA] = (uintptr_t)hop_back;
}

static inline void expect_after(struct state *in)
{
    (void)in;
}

#endif
