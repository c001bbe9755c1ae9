/* SPDX-License-Identifier: MIT */
/* arch.h - LoongArch, LP64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is $t0 ($r12), where libffi's
 * own closure entry expects its closure; the jumps go through $t1 ($r13). Both are temporaries, and
 * no argument is ever in them (LoongArch psABI, "Register Convention").
 *
 * A mapped trampoline is 16 bytes:
 *
 *     pcaddi $t0, slot             4     within 2 MiB: a table is 320 KiB
 *     b      stub                  4     stub: pcaddi, ld.d $t1, hot; jr $t1; one for 256 of them
 *     break                        8     twice
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: ld.d $t1, 0($t0); jr $t1. There is
 * room to do those two here; arch/table_code.h says why they are not.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "LoongArch"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page that Linux has here */
#include "arch/sizes.h"

/* --- closures: as RISC-V has them ------------------------------------------------------------- */
#if defined __loongarch_double_float
#define FS_FLEN 8
#elif defined __loongarch_single_float
#define FS_FLEN 4
#else
#define FS_FLEN 0
#endif
#define FS_HOP_SP 3
#define FS_HOP_CHAIN 20 /* GCC's static chain: t8 */
#define FS_HOP_R 12
#define FS_HOP_SPENT 13 /* what trampolines jump through */
#include "arch/lp64.h"

/* --- call frame information of a trampoline (LoongArch psABI: $sp is 3, $ra is 1). The CFA is $sp
 *     all along and the return address is in its register; five bytes, the rest DW_CFA_nop. ---- */
#define FS_DWARF_RA 1
#define FS_DWARF_SP 3
#define FS_DWARF_FP 22
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 3, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP break 0
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
