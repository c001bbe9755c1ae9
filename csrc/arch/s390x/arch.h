/* SPDX-License-Identifier: MIT */
/* arch.h - s390x (z/Architecture, 64-bit): the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is %r0, where libffi's own
 * closure entry expects its closure. The jumps go through %r1. Both are volatile and carry no
 * argument (s390x ELF ABI, "Register Roles"); %r0 is also the static chain. It cannot be the base
 * of an address, so fs_enter_slot copies it first.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     larl  %r0, slot              6     within 4 GiB: any address
 *     jg    stub                   6     stub: larl, lg %r1, hot; br %r1; one for 256 trampolines
 *     trap                         4
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: lgr %r1, %r0; lg %r1, 0(%r1); br %r1.
 * There is no room to do that here; arch/table.h says why it would not be done if there were.
 *
 * Every instruction is of the first z/Architecture, and none sets the condition code.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 4096 /* the only page that Linux has here */
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 40
#define FS_SLOT_DATA 48

/* --- call frame information of a trampoline (s390x ELF ABI: DWARF has the registers' own numbers).
 *     The CFA is 160 bytes above the stack pointer, behind the area that every caller provides, and
 *     the return address is in its register; five bytes, the rest DW_CFA_nop. ------------------ */
#define FS_DWARF_RA 14
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 15, 0x80 | 32, 1, 0} /* DW_CFA_def_cfa r15 160 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
/* A jump into its own second half, 0001, which is no instruction: the trap that GCC makes, too. */
#define FS_TRAP j .+2
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
