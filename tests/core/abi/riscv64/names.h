/* SPDX-License-Identifier: MIT */
/* names.h - RISC-V: registers and instructions that ../lp64 has names for, besides ops.h's
 *
 * Not a header for C.
 */
#include "../../../../csrc/arch/riscv64/ops.h"

#ifdef __riscv_flen
#define HAS_FLOATS 1
#else
#define HAS_FLOATS 0
#endif

/* What a callee keeps, and what it may change, without the arguments' and T0. */
#define SAVED_G s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
#define SAVED_F fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11
#define SPARE_G t0, t1, t2, t4, t5, t6
#define SPARE_F ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11

#define NOT(r) not r, r
#define XOR(to, a, b) xor to, a, b
#define FROM_F(to, from) fmv.x.d to, from
#define TO_F(to, from) fmv.d.x to, from
#define GET_FCSR(to) frcsr to
#define SET_FCSR(from) fscsr from
#define ROUNDING 0x20 /* one bit of the rounding mode */
