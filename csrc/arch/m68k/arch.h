/* SPDX-License-Identifier: MIT */
/* arch.h - m68k, 68020 or later: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is %a0, where libffi's own
 * closure entries expect their closure. Arguments are on the stack, and where a large result goes
 * is in %a1 (System V ABI, Motorola 68000 supplement, "Registers"). Every jump is through memory.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     lea     slot(%pc), %a0       8
 *     bra.l   stub                 6     stub: jmp ([hot, %pc]), one for 256 trampolines
 *     illegal                      2
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: jmp ([%a0]). There is no room to do
 * that here; arch/table_code.h says why it would not be done if there were.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "m68k"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 8192 /* the largest page that Linux has here */
#define FS_SLOT_SIZE 32
#define FS_TABLE_SPAN 0x40000
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 16
#define FS_SLOT_HANDLER 20
#define FS_SLOT_DATA 24

/* --- call frame information of a trampoline (%sp is 15, the return address is counted as 24): the
 *     CFA is %sp + 4, all along ---------------------------------------------------------------- */
#define FS_DWARF_RA 24
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 15, 4, 0x80 | 24, 1} /* DW_CFA_def_cfa sp 4; offset ra 1 */
/* clang-format on */

/* What follows is not for both. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP .short 0x4afc /* illegal */
#include "arch/asm.h"
#else
/* No register has the thread pointer: the kernel is asked, or where it has one, its vDSO. */
void *__m68k_read_tp(void);
#define FS_THREAD_POINTER() __m68k_read_tp()
#endif
/* clang-format on */

#endif
