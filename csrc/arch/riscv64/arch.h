/* SPDX-License-Identifier: MIT */
/* arch.h - RISC-V, LP64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is t1 (x6), where libffi's own
 * closure entry expects its closure; the jumps go through t3 (x28). Both are what the psABI's
 * PLT entries use (RISC-V ELF psABI, "Procedure Linkage Table"), so no convention passes anything
 * in them. Not t0, through which a jump is predicted as a return, and not t2, the static chain.
 *
 * A mapped trampoline is 16 bytes, never compressed:
 *
 *     auipc t1, slot               4
 *     addi  t1, t1, slot           4
 *     j     stub                   4     stub: auipc, ld t3, hot; jr t3; one for 256 trampolines
 *     ebreak                       4
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: ld t3, 0(t1); jr t3. There is room for
 * those two in place of the jump; arch/table_code.h says why they are not there.
 *
 * Control-flow integrity (CFI: Zicfilp, Zicfiss) is compiled in where the compiler does so in C,
 * which is -fcf-protection and a -march with the two; nobody enforces it in a program that has
 * other code. Then a landing pad takes the place of the ebreak, before the auipc. It has no label,
 * and t2, where a caller may have put one, is in no trampoline's way.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "RISC-V"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* pages may grow beyond today's 4 KiB */
#include "arch/sizes.h"

/* --- closures: as LoongArch has them ---------------------------------------------------------- */
#if defined __riscv_float_abi_double
#define FS_FLEN 8
#elif defined __riscv_float_abi_single
#define FS_FLEN 4
#else
#define FS_FLEN 0
#endif
#define FS_HOP_SP 2
#ifdef __riscv_landing_pad
#define FS_HOP_CHAIN 28 /* GCC's static chain: t3, because t2 has labels */
#define FS_HOP_SIZE 20
#else
#define FS_HOP_CHAIN 7 /* t2 */
#endif
#define FS_HOP_R 6
#define FS_HOP_SPENT 28 /* what trampolines jump through */
#include "arch/lp64.h"

/* --- call frame information of a trampoline (DWARF for RISC-V: sp is 2, ra is 1). The CFA is sp
 *     all along and the return address is in its register; five bytes, the rest DW_CFA_nop. --- */
#define FS_DWARF_RA 1
#define FS_DWARF_SP 2
#define FS_DWARF_FP 8
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 2, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP ebreak
/* The bits of the property note (RISC-V ELF psABI, "Program Property"): landing pads without labels
 * are 1, shadow stacks 2. `lpad 0` is spelled as the hint that it is. */
#ifdef __riscv_landing_pad
#define FS_LANDING auipc zero, 0
#define FS_PROPERTY_LANDING 1
#else
#define FS_PROPERTY_LANDING 0
#endif
#ifdef __riscv_shadow_stack
#define FS_PROPERTY_STACK 2
#else
#define FS_PROPERTY_STACK 0
#endif
#if defined __riscv_landing_pad || defined __riscv_shadow_stack
#define FS_PROPERTY_TYPE 0xc0000000
#define FS_PROPERTY_BITS (FS_PROPERTY_LANDING | FS_PROPERTY_STACK)
#endif
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
