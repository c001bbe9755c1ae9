/* SPDX-License-Identifier: MIT */
/* names.h - LoongArch: registers and instructions that ../lp64 has names for, besides ops.h's
 *
 * Not a header for C.
 */
#include "../../../../csrc/arch/loongarch64/ops.h"

#ifndef __loongarch_soft_float
#define HAS_FLOATS 1
#else
#define HAS_FLOATS 0
#endif

/* What a callee keeps, and what it may change, without the arguments' and T0. */
#define SAVED_G s0, s1, s2, s3, s4, s5, s6, s7, s8, fp
#define SAVED_F fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7
#define SPARE_G t0, t2, t3, t4, t5, t6, t7, t8
#define SPARE_F ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, ft12, ft13, ft14, ft15

#define NOT(r) nor r, r, $zero
#define XOR(to, a, b) xor to, a, b
#define FROM_F(to, from) movfr2gr.d to, from
#define TO_F(to, from) movgr2fr.d to, from
#define GET_FCSR(to) movfcsr2gr to, $fcsr0
#define SET_FCSR(from) movgr2fcsr $fcsr0, from
#define ROUNDING 0x100 /* one bit of the rounding mode */
