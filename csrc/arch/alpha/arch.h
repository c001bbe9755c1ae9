/* SPDX-License-Identifier: MIT */
/* arch.h - Alpha: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is $1, where libffi's own
 * closure entry expects its closure. A call by pointer arrives with the callee's address in $27
 * (Calling Standard for Alpha Systems, "Register Usage"), so the slot is found from $27. The jumps
 * go through $27, which gives the next one its own address there again, as libffi's entry needs for
 * its global pointer. No argument is ever in either.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     lda   $1, slot($27)          4
 *     ldah  $1, slot($1)           4     within 2 GiB
 *     br    stub                   4     one stub for 256 trampolines
 *     call_pal bugchk              4
 *
 * The stub finds `hot` from $27, in which there is the trampoline's address still: a table's code
 * is 64 KiB at a multiple of that. zapnot, ldah; ldq $27, hot; jmp ($27). `hot` is one pointer per
 * table and leads to fs_enter_slot: ldq $27, 0($1); jmp ($27).
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "alpha"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 8192 /* the only page that Linux has here */
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline ($30 is the stack pointer, the return address is in
 *     $26). The CFA is $30 all along; five bytes, the rest DW_CFA_nop. ------------------------- */
#define FS_DWARF_RA 26
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 30, 0, 0, 0} /* DW_CFA_def_cfa $30 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP call_pal 0x81 /* bugchk */
#define FS_ASM_BEGIN .set noat; .set noreorder; .set nomacro
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
