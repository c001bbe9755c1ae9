/* SPDX-License-Identifier: MIT */
/* arch.h - x32, x86-64 with pointers of 4 bytes: the numbers that C and assembly must agree on
 *
 * As x86-64's (R is %r10), but that the words of a slot have 4 bytes and a jump takes 8 from
 * memory. So every jump through memory is a load of 4 bytes into %r11, which is the callee's to
 * spend, and a jump through that.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     endbr64                      4
 *     lea   slot(%rip), %r10       7
 *     jmp   stub                   5     stub: mov hot(%rip), %r11d; jmp *%r11, one stub a page
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: mov (%r10), %r11d; jmp *%r11.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "x32"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 4096
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 36
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline: the CFA is rsp+8, all along (rsp is 7), and words of
 *     the table have 4 bytes ------------------------------------------------------------------- */
#define FS_DWARF_RA 16
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 7, 8, 0x80 | 16, 2} /* DW_CFA_def_cfa rsp 8; offset ra 2 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP int3
#define FS_LANDING endbr64
/* x86 psABI, "Program property": IBT and SHSTK. */
#define FS_PROPERTY_TYPE 0xc0000002
#define FS_PROPERTY_BITS 3
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
