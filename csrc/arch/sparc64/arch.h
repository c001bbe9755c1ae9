/* SPDX-License-Identifier: MIT */
/* arch.h - 64-bit SPARC (V9): the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is %g1, where libffi's own
 * closure entry expects its closure. The jumps go through %g5. Both are the callee's to spend, and
 * no argument is ever in them (SPARC Compliance Definition 2.4.1, "Software Considerations").
 *
 * A mapped trampoline is 32 bytes:
 *
 *     rd    %pc, %g1               4
 *     sethi slot, %g5              4
 *     or    %g5, slot, %g5         4     within 4 GiB, forwards
 *     ba    stub                   4     one stub for 256 trampolines
 *     add   %g1, %g5, %g1          4     in the jump's delay slot
 *     ta    1                     12     three times
 *
 * The stub finds `hot` from the slot's address in %g1, because where the table begins is a multiple
 * of FS_TABLE_SPAN: srlx, sllx, add, sllx; ldx hot, %g5; jmp %g5. `hot` is one pointer per table
 * and leads to fs_enter_slot: ldx [%g1], %g5; jmp %g5.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "sparc64"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 8192 /* the only page that Linux has here */
#define FS_TRAMP_SIZE 32
#define FS_TABLE_SPAN_BITS 19 /* the stub clears as many */
#define FS_TABLE_CODE_BITS 17 /* of FS_TABLE_CODE */
#define FS_TABLE_SPAN (1 << FS_TABLE_SPAN_BITS)
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline (%sp is 14, %o7 is 15; the stack is where %sp says and
 *     2047 bytes further). The CFA is the same all along; five bytes, the rest DW_CFA_nop. ------
 */
#define FS_DWARF_RA 15
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 14, 0xff, 0x0f, 0} /* DW_CFA_def_cfa sp 2047 */
/* clang-format on */

/* What follows is not for both. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP ta 1
#define FS_ASM_BEGIN .register %g2, #scratch; .register %g3, #scratch
#include "arch/asm.h"
#else
/* %g7 is the thread pointer; GCC 14 has no builtin for it here. */
#define FS_THREAD_POINTER()                                                                        \
    ({ void *tp; __asm__("mov %%g7, %0" : "=r"(tp)); tp; })
#endif
/* clang-format on */

#endif
