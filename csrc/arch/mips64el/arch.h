/* SPDX-License-Identifier: MIT */
/* arch.h - 64-bit MIPS, little-endian, n64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is $12, where libffi's own
 * closure entry expects its closure. A call by pointer arrives with the callee's address in $25
 * (MIPS ABI Supplement, "Position-Independent Function Prologue"), so the slot is found from $25.
 * The jumps go through $25, which gives the next one its own address there again, as libffi's entry
 * needs for its global pointer. Both are temporaries, and no argument is ever in them.
 *
 * A mapped trampoline is 32 bytes:
 *
 *     lui    $12, slot             4     within 2 GiB
 *     daddiu $12, $12, slot        4
 *     b      stub                  4     one stub for 256 trampolines
 *     daddu  $12, $12, $25         4     in the jump's delay slot
 *     break                       16     four times
 *
 * The stub finds `hot` from $25, in which there is the trampoline's address still: a table's code
 * is FS_TABLE_CODE bytes at a multiple of that. dsrl, daddiu, dsll; ld $25, hot; jr $25. `hot` is
 * one pointer per table and leads to fs_enter_slot: ld $25, 0($12); jr $25.
 *
 * libffi's closure has 80 bytes here, so a slot has 128, and there are half as many in a table.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "mips64el"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page that Linux has here */
#define FS_TRAMP_SIZE 32
#define FS_SLOT_SIZE 128
#define FS_TABLE_SLOTS 2048
#define FS_TABLE_CODE_BITS 16 /* of FS_TABLE_CODE: the stub clears as many */
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 56
#define FS_SLOT_HANDLER 64
#define FS_SLOT_DATA 72

/* --- call frame information of a trampoline ($sp is 29, $ra is 31). The CFA is $sp all along and
 *     the return address is in its register; five bytes, the rest DW_CFA_nop. ------------------ */
#define FS_DWARF_RA 31
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 29, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP break
#define FS_ASM_BEGIN .set noreorder; .set nomacro; .set noat
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
