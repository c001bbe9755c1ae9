/* SPDX-License-Identifier: MIT */
/* arch.h - 32-bit Power, big-endian, System V: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is r11, the environment pointer,
 * where libffi's own closure entry expects its closure. No register has the callee's address here,
 * and none the program counter. So a trampoline calls the next instruction, which processors know
 * to be no call (`bcl 20,31`), and keeps the link register in r0 meanwhile. The jumps go through
 * r12 and CTR. r0, r11, r12 and CTR are the callee's to spend, and no argument is ever in them
 * (PowerPC Processor ABI Supplement, "Registers").
 *
 * A mapped trampoline is 32 bytes:
 *
 *     mflr  r0                     4
 *     bcl   20, 31, . + 4          4
 *     mflr  r11                    4
 *     mtlr  r0                     4
 *     addis r11, r11, slot         4     within 2 GiB
 *     addi  r11, r11, slot         4
 *     b     stub                   4     one stub for 256 trampolines
 *     trap                         4
 *
 * The stub finds `hot` from the slot's address in r11, because where the table begins is a multiple
 * of FS_TABLE_SPAN: clrrwi, addis, lwz r12, hot; mtctr; bctr. `hot` is one pointer per table and
 * leads to fs_enter_slot: lwz r12, 0(r11); mtctr r12; bctr.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "powerpc"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page of a 64-bit kernel */
#define FS_TRAMP_SIZE 32
#define FS_TABLE_SPAN_BITS 19 /* the stub clears as many */
#define FS_TABLE_SPAN (1 << FS_TABLE_SPAN_BITS)
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 40
#define FS_SLOT_HANDLER 44
#define FS_SLOT_DATA 48

/* --- call frame information of a trampoline (r1 is 1, LR is 65). The CFA is r1 all along, and the
 *     return address is in its register but for two instructions; five bytes, the rest DW_CFA_nop.
 */
#define FS_DWARF_RA 65
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 1, 0, 0, 0} /* DW_CFA_def_cfa r1 0 */
/* clang-format on */

/* What follows is not for both. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP trap
#include "arch/asm.h"
#else
/* r2 is the thread pointer; GCC 14 has no builtin for it here. */
#define FS_THREAD_POINTER()                                                                        \
    ({ void *tp; __asm__("mr %0, 2" : "=r"(tp)); tp; })
#endif
/* clang-format on */

#endif
