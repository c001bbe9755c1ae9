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
 * for `ldr pc, [ip, ...]!` in place of the second add and the jump; arch/table_code.h says why it
 * is not there.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "ARM"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the largest page of a 64-bit kernel */
#define FS_SLOT_SIZE 32       /* half a cache line: pointers are half as large */
#define FS_GROUP_SLOTS 4096   /* one group: the stub reaches the table's header only from its end */
#define FS_TABLE_SPAN 0x40000
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 4
#define FS_SLOT_CIF 12
#define FS_SLOT_HANDLER 16
#define FS_SLOT_DATA 20

/* --- or one that hops (hop.S); registers have their DWARF numbers (r0 .. r12, sp, lr). Data and
 *     code lie in the order in which one instruction loads them, and pc. ---------------------- */
#define FS_SLOT_HOP_DATA 4
#define FS_SLOT_HOP_CODE 8
#define FS_HOP_REGISTERS 15
#define FS_HOP_SP 13
#define FS_HOP_CHAIN 12 /* GCC's static chain: ip */
#define FS_HOP_R 12
#define FS_HOP_SIZE 16

/* --- the plan inside the slot (struct fs_plan): 8 bytes, so each place has 5 bits. One AND with a
 *     shifted operand takes it out, times FS_PLAN_UNIT: no more than loading a byte would cost. -
 */
#define FS_PLAN_FIELD 5
#define FS_PLAN_FIRST 6   /* so many are in word 1 */
#define FS_PLAN_INLINE 11 /* the others in word 0 */
#define FS_PLAN_NARGS_BIT 28
#define FS_PLAN_UNIT 4 /* frame bytes that each counts in */

/* --- a plan in memory of its own (struct fs_long), of which fs_entry_long walks the places; one
 *     with pieces is C's (plan/run.c) ------------------------------------------------------------
 */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_STRIDE 18
#define FS_LONG_WORDS 20

/* --- the frame that a planned entry builds, in bytes from the first saved argument register. Core
 *     registers lie right below the caller's stack arguments, so that all of these are one row of
 *     words, in which a struct that is split is whole. The rest of the frame is below. Of the row a
 *     slot's plan reaches the first 16 words, with s0 .. s15 before it; without them, 32. ---------
 */
#ifdef __ARM_PCS_VFP
#define FS_FRAME_VEC 0       /* s0 .. s15 */
#define FS_FRAME_GPR 64      /* r0 .. r3 */
#define FS_FRAME_STACK 80    /* the caller's stack arguments */
#define FS_FRAME_RET (-56)   /* of fs_entry_long: below r4 .. r8 and lr */
#define FS_FRAME_RET_SIZE 32 /* zero when the handler starts, as far as this result needs it */
#else
#define FS_FRAME_VEC 0 /* nothing is there */
#define FS_FRAME_GPR 0
#define FS_FRAME_STACK 16
#define FS_FRAME_RET (-32)
#define FS_FRAME_RET_SIZE 8
#endif
#define FS_FRAME_SRET FS_FRAME_GPR /* the hidden pointer is r0 */
#define FS_FRAME_SAVED 24          /* r4 .. r8, lr: right below the frame's first byte */

/* --- how a result goes back ----------------------------------------------------------------
 * Planned entries exist for each of these; fs_entry_long takes FS_TAIL_CODE: 0 for what r0 and r1
 * or d0 .. d3 hold as it is; for others by how many bits r0 is shifted up and down again, and + 256
 * if its sign goes along. */
#define FS_TAIL_WORD 0 /* 64-bit integers, double: r0 and r1, d0 */
#define FS_TAIL_U32 1  /* 32-bit integers, pointers, structs of up to 4 bytes, float: r0, s0 */
#define FS_TAIL_S32 1
#define FS_TAIL_S16 2
#define FS_TAIL_U16 3
#define FS_TAIL_S8 4
#define FS_TAIL_U8 5
#define FS_TAIL_NONE 6 /* void: nothing */
#define FS_TAIL_PAIR 7 /* homogeneous aggregates: s0 .. s3 or d0 .. d3 */
#define FS_TAIL_MEM 8  /* through the hidden pointer, which goes back in r0 */
#define FS_TAILS 9
#define FS_TAIL_CODE(tail)                                                                         \
    ((tail) <= FS_TAIL_U32 ? 0 : ((tail) >= FS_TAIL_S8 ? 24 : 16) + ((tail) % 2 ? 0 : 256))
#define FS_FAST_TAILS 7 /* the first seven have scalar entries of their own */
#define FS_SCALAR_G 8   /* for so many words, in core registers and behind them, and fewer */
#ifdef __ARM_PCS_VFP
#define FS_SCALAR_V 8 /* for so many doubles */
#define FS_SCALAR_F 8 /* for so many floats */
#else
#define FS_SCALAR_V 0
#endif

/* --- call frame information of a trampoline (DWARF for ARM: sp is 13, lr is 14). The CFA is sp
 *     all along and the return address is in its register. libgcc's unwinder for ARM knows only the
 *     tables of loaded objects (EHABI), and has no function that would take this. -------------- */
#define FS_DWARF_RA 14
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 13, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 22
#define FS_RELOC_GLOB_DAT 21

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
