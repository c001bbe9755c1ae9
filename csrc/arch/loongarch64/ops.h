/* SPDX-License-Identifier: MIT */
/* ops.h - LoongArch: the names that entry_lp64.h and hop_lp64.h have for registers and instructions
 *
 * Not a header for C. A load is LD(register, offset, base), a jump's condition comes before its
 * target.
 */
/* clang-format off */
#define R(name) $name
#define SLOT $t0 /* R of arch.h */
#define JUMP $t1 /* what trampolines spend */
#define BASE $t2
#define T0 $t1
#define T1 $t3
#define T2 $t4
#define T3 $t5
#define T4 $t6
#define SP $sp
#define FP $fp
#define RA $ra
#define ZERO $zero
#define X(number) $r##number

#define LD(r, at, base) ld.d r, base, at
#define LW(r, at, base) ld.w r, base, at
#define LH(r, at, base) ld.h r, base, at
#define LHU(r, at, base) ld.hu r, base, at
#define LB(r, at, base) ld.b r, base, at
#define LBU(r, at, base) ld.bu r, base, at
#define SD(r, at, base) st.d r, base, at
#define SW(r, at, base) st.w r, base, at
#define FLD(r, at, base) fld.d r, base, at
#define FLW(r, at, base) fld.s r, base, at
#define FSD(r, at, base) fst.d r, base, at
#define FSW(r, at, base) fst.s r, base, at

#define MV(to, from) move to, from
#define LI(to, n) li.w to, n
#define LA(to, symbol) la.local to, symbol
#define ADD(to, a, b) add.d to, a, b
#define SUB(to, a, b) sub.d to, a, b
#define ADDI(to, a, n) addi.d to, a, n
#define ANDI(to, a, n) andi to, a, n
#define SLLI(to, a, n) slli.d to, a, n
#define SRLI(to, a, n) srli.d to, a, n

#define BEQZ(a, to) beqz a, to
#define BNEZ(a, to) bnez a, to
#define BGEZ(a, to) bge a, $zero, to
#define BGTZ(a, to) blt $zero, a, to
#define BNE(a, b, to) bne a, b, to
#define BLTU(a, b, to) bltu a, b, to
#define BGEU(a, b, to) bgeu a, b, to
#define J(to) b to
#define JR(r) jr r
#define JALR(r) jirl $ra, r, 0
#define CALL(symbol) la.local T0, symbol; jirl $ra, T0, 0 /* a bl reaches 128 MiB */
#define RET jr $ra
#define FS_WHOLE_WORDS /* all instructions have 4 bytes */
#define FS_ANY_WORDS
#define FS_LANDING_PLACE
#define PUSH_RA
#define POP_RA
/* clang-format on */
