/* SPDX-License-Identifier: MIT */
/* arch.h - AArch64, LP64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is x17. The procedure call
 * standard (AAPCS64, 6.1.1) gives x16 and x17 to veneers between a call and its target: no
 * argument is ever in them, and libffi's own closure entries expect their closure in x17. x16 is
 * what the jumps go through: BR x16 may arrive at a `bti c` where BR of most others may not.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     bti   c                      4
 *     adr   x17, slot              4     within 1 MiB: a table is 320 KiB
 *     b     stub                   4     stub: ldr x16, hot; br x16; one for 256 trampolines
 *     brk                          4
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: ldr x16, [x17]; br x16. There is room
 * to do those two here; arch/table.h says why they are not.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page that Linux has here */
/* PROT_BTI (Linux 5.8): an indirect jump into a mapped table must arrive at a `bti c`, as in the
 * library's own text where that is marked. mmap() ignores it where there is no such thing. */
#define FS_PROT_LANDING 0x10
#include "arch/sizes.h"

/* Provider trampfd: R's number; where a trampoline loads its slot's address from the constants,
 * which are FS_TABLE_CODE bytes before the code, and how: ldr x17, . + 12 - FS_TABLE_CODE; and the
 * stub, which jumps through the first word of its group's constants: ldr x16, . - 4080 -
 * FS_TABLE_CODE; br x16; brk 0. */
#define FS_TRAMPFD_R 17
#define FS_TRAMPFD_LOAD_AT 4
/* clang-format off */
#define FS_TRAMPFD_LOAD {0x71, 0x00, 0xf8, 0x58}
#define FS_TRAMPFD_STUB {0x90, 0x80, 0xf7, 0x58, 0x00, 0x02, 0x1f, 0xd6, \
                         0x00, 0x00, 0x20, 0xd4, 0x00, 0x00, 0x20, 0xd4}
/* clang-format on */

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline (DWARF for AArch64: sp is 31, x30 is 30). The CFA is
 *     sp all along and the return address is in its register; five bytes, the rest DW_CFA_nop. - */
#define FS_DWARF_RA 30
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 31, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 1026
#define FS_RELOC_GLOB_DAT 1025

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP brk 0
/* `bti c` as the hint that it is: assemblers know its name only for an architecture that has it,
 * processors without it run a nop. */
#define FS_LANDING hint 34
/* ELF for AArch64, "Program Property": BTI is 1, PAC 2, GCS 4. Code here saves no return address,
 * returns nowhere, and calls only what does not return, so there is nothing to sign and the guarded
 * control stack stays as it is. The linker ANDs the bits: an object that lacks one takes that
 * protection from the whole library. */
#define FS_PROPERTY_TYPE 0xc0000000
#define FS_PROPERTY_BITS 7
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
