/* SPDX-License-Identifier: MIT */
/* arch.h - ARM, 32-bit EABI: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is ip (r12). The procedure call
 * standard (AAPCS32, 6.1.1) gives it to veneers between a call and its target: no argument is ever
 * in it, and libffi's own closure entries expect their closure there. So these are bound, not their
 * ffi_closure_*_alt. There is no second register to spend: every jump is a load into pc, which also
 * changes to Thumb where the target's address is odd (ARMv5T).
 *
 * A mapped trampoline is 16 bytes of ARM code:
 *
 *     add   ip, pc, slot & 0x3fc00 4
 *     add   ip, ip, slot & 0x3fc   4     a table is 192 KiB
 *     b     stub                   4     stub: ldr pc, hot; one for the table
 *     udf                          4
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: ldr pc, [ip]. It must be within 4 KiB
 * of the stub, which therefore is the table's last trampoline, right in front of it. There is room
 * for `ldr pc, [ip, ...]!` in place of the second add and the jump; arch/table.h says why it is not
 * there.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page of a 64-bit kernel */
#define FS_SLOT_SIZE 32       /* half a cache line: pointers are half as large */
#define FS_GROUP_SLOTS 4096   /* one group: the stub reaches the table's header only from its end */
#define FS_TABLE_SPAN 0x40000
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 12
#define FS_SLOT_HANDLER 16
#define FS_SLOT_DATA 20

/* --- call frame information of a trampoline (DWARF for ARM: sp is 13, lr is 14). The CFA is sp
 *     all along and the return address is in its register. libgcc's unwinder for ARM knows only the
 *     tables of loaded objects (EHABI), and has no function that would take this. -------------- */
#define FS_DWARF_RA 14
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 13, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP .inst 0xe7f000f0 /* udf 0, a name that older assemblers lack */
/* ARM code, whatever the compiler makes of C; frames described twice, for debuggers, and in the
 * tables of EHABI, which exceptions use. */
#define FS_ASM_BEGIN                                                                               \
    .syntax unified;                                                                               \
    .arm;                                                                                          \
    .cfi_sections .debug_frame
#define FS_UNWIND_BEGIN .fnstart
#define FS_UNWIND_END .fnend
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
