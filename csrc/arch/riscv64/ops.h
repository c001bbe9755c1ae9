/* SPDX-License-Identifier: MIT */
/* ops.h - RISC-V: the names that entry_lp64.h and hop_lp64.h have for registers and instructions
 *
 * Not a header for C. A load is LD(register, offset, base), a jump's condition comes before its
 * target. Nothing is shortened by the linker: entries of fs_tails have their places.
 */
/* clang-format off */
    .option norelax

#define R(name) name
#define SLOT t1 /* R of arch.h */
#define JUMP t3 /* what trampolines spend */
#define BASE t2
/* Calls and jumps go by T0 and T1. Neither is t0: that would be predicted as a return, and no landing
 * pad would be asked for. */
#define T0 t3
#define T1 t4
#define T2 t5
#define T3 t6
#define T4 t0
#define SP sp
#define FP s0
#define RA ra
#define ZERO zero
#define X(number) x##number

#define LD(r, at, base) ld r, at(base)
#define LW(r, at, base) lw r, at(base)
#define LH(r, at, base) lh r, at(base)
#define LHU(r, at, base) lhu r, at(base)
#define LB(r, at, base) lb r, at(base)
#define LBU(r, at, base) lbu r, at(base)
#define SD(r, at, base) sd r, at(base)
#define SW(r, at, base) sw r, at(base)
#define FLD(r, at, base) fld r, at(base)
#define FLW(r, at, base) flw r, at(base)
#define FSD(r, at, base) fsd r, at(base)
#define FSW(r, at, base) fsw r, at(base)

#define MV(to, from) mv to, from
#define LI(to, n) li to, n
#define LA(to, symbol) lla to, symbol
#define ADD(to, a, b) add to, a, b
#define SUB(to, a, b) sub to, a, b
#define ADDI(to, a, n) addi to, a, n
#define ANDI(to, a, n) andi to, a, n
#define SLLI(to, a, n) slli to, a, n
#define SRLI(to, a, n) srli to, a, n

#define BEQZ(a, to) beqz a, to
#define BNEZ(a, to) bnez a, to
#define BGEZ(a, to) bgez a, to
#define BGTZ(a, to) bgtz a, to
#define BNE(a, b, to) bne a, b, to
#define BLTU(a, b, to) bltu a, b, to
#define BGEU(a, b, to) bgeu a, b, to
#define J(to) j to
#define JR(r) jr r
#define JALR(r) jalr r
#define CALL(symbol) call symbol
#define RET ret
/* Between these, every instruction has 4 bytes. */
#define FS_WHOLE_WORDS .option push; .option norvc
#define FS_ANY_WORDS .option pop
/* A landing pad behind other code lies at a multiple of 4. */
#ifdef __riscv_landing_pad
#define FS_LANDING_PLACE .balign 4
#else
#define FS_LANDING_PLACE
#endif
/* A return address that is saved, behind that, and one that was loaded, before it is used. */
#ifdef __riscv_shadow_stack
#define PUSH_RA sspush ra
#define POP_RA sspopchk ra
#else
#define PUSH_RA
#define POP_RA
#endif
    /* clang-format on */
