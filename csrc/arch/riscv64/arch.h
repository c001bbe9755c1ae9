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
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "RISC-V"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* pages may grow beyond today's 4 KiB */
/* Landing pads (Zicfilp) for mapped code would need them in libffi's own entries. */
#define FS_PROT_LANDING 0
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
#define FS_HOP_CHAIN 7 /* GCC's static chain: t2 */
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
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
