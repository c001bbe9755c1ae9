/* SPDX-License-Identifier: MIT */
/* arch.h - 64-bit Power, little-endian, ELFv2: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is r11, the environment pointer,
 * where libffi's own closure entry expects its closure. A call by pointer arrives with the callee's
 * address in r12 (64-bit ELF V2 ABI, "Function Prologue"; a closure can be called no other way), so
 * the slot is found from r12, and the link register is left alone. The jumps go through r12 and
 * CTR, which gives the next one its own address in r12 again, as libffi's entry needs for its TOC.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     addis r11, r12, slot         4     within 2 GiB
 *     addi  r11, r11, slot         4
 *     b     stub                   4     one stub for 256 trampolines
 *     trap                         4
 *
 * The stub has five instructions, one more than a trampoline: it begins in the last two words of
 * the one before, which runs into it. It finds `hot` from the slot's address in r11, because where
 * the table begins is a multiple of FS_TABLE_SPAN: clrrdi, addis, ld r12, hot; mtctr; bctr.
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: ld r12, 0(r11); mtctr r12; bctr.
 * arch/table.h says why that is not done here, in trampolines of 32 bytes.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the page that most kernels have here */
#define FS_TABLE_SPAN_BITS 19 /* the stub clears as many */
#define FS_TABLE_SPAN (1 << FS_TABLE_SPAN_BITS)
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 40
#define FS_SLOT_DATA 48

/* --- call frame information of a trampoline (64-bit ELF V2 ABI: r1 is 1, LR is 65). The CFA is r1
 *     all along and the return address is in its register; five bytes, the rest DW_CFA_nop. ---- */
#define FS_DWARF_RA 65
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 1, 0, 0, 0} /* DW_CFA_def_cfa r1 0 */
/* clang-format on */

/* What follows is not for both. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP trap
/* ELFv2. A function that needs no TOC has one entry point; .localentry says where the second is. */
#define FS_ASM_BEGIN .abiversion 2
#include "arch/asm.h"
#else
/* r13 is the thread pointer; GCC 14 has no builtin for it here. */
#define FS_THREAD_POINTER()                                                                        \
    ({ void *tp; __asm__("mr %0, 13" : "=r"(tp)); tp; })
#endif
/* clang-format on */

#endif
