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
 * There is no room to do that here; arch/table_code.h says why it would not be done if there were.
 *
 * Every instruction of a trampoline is of the first z/Architecture, and none sets the condition
 * code. Of entries, LGB needs z990 (2003).
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "s390x"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 4096 /* the only page that Linux has here */
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 8
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 40
#define FS_SLOT_DATA 48

/* --- or one that hops (hop.S); registers have their DWARF numbers (r0 .. r15, the last is the
 * stack pointer). What trampolines and hops jump through holds no data.
 * ---------------------------- */
#define FS_SLOT_HOP_CODE 8
#define FS_SLOT_HOP_DATA 16
#define FS_HOP_REGISTERS 16
#define FS_HOP_SP 15
#define FS_HOP_CHAIN 0 /* GCC's static chain */
#define FS_HOP_R 0
#define FS_HOP_JUMP 1
#define FS_HOP_SIZE 24

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_MORE 8    /* byte: arguments that are passed by reference */
#define FS_PLAN_NARGS 9   /* byte: arguments */
#define FS_PLAN_TAIL 10   /* 2 bytes: fs_abi_tail_code() */
#define FS_PLAN_BYTES 12  /* then `nargs` places, then the numbers of those by reference */
#define FS_PLAN_INLINE 20 /* how many such bytes there are */
#define FS_PLAN_UNIT 1 /* frame bytes that each counts in: a char is at its register's last one */

/* --- a plan in memory of its own (struct fs_long), all of which fs_entry_long walks: nothing has
 *     pieces here ------------------------------------------------------------------------------ */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_STRIDE 18
#define FS_LONG_WORDS 20

/* --- the frame, in bytes from r15 *at entry*: every caller provides 160 bytes there, with room for
 *     the registers that carry arguments, right below the stack arguments. Only the result is in
 *     what the entry adds. -------------------------------------------------------------------- */
#define FS_FRAME_RET (-16)  /* the result */
#define FS_FRAME_RET_SIZE 8 /* zero when the handler starts */
#define FS_FRAME_GPR 16     /* r2 .. r6 */
#define FS_FRAME_SRET 16    /* r2: where the caller wants a result in memory */
#define FS_FRAME_VEC 128    /* f0, f2, f4, f6 */
#define FS_FRAME_STACK 160  /* the caller's stack arguments */

/* --- how a result goes back ----------------------------------------------------------------
 * Each of the first eight has entries of its own, planned ones, too; of fs_entry_long, where the
 * first is what does for most, FS_TAIL_SIZE bytes of code. Integers are read from the end of the
 * 8 bytes that libffi's contract says a handler writes, a float from their beginning. */
#define FS_TAIL_WORD 0 /* 64-bit integers, pointers, double: r2, f0 */
#define FS_TAIL_S32 1
#define FS_TAIL_U32 2 /* float, too: r2, f0 */
#define FS_TAIL_S16 3
#define FS_TAIL_U16 4
#define FS_TAIL_S8 5
#define FS_TAIL_U8 6
#define FS_TAIL_NONE 7   /* void: nothing */
#define FS_TAIL_MEM 1024 /* all structs, complex, long double: where r2 said */
#define FS_TAIL_SIZE 32
#define FS_FAST_TAILS 8
#define FS_SCALAR_G 5      /* the first eight have entries for so many general scalars and fewer, */
#define FS_SCALAR_V 4      /* and for so many floating ones */
#define FS_SCALAR_PLACES 1 /* those for general ones read where each lies from the slot */

/* Planned entries save all general registers; of the floating ones none, 2 or 4. Up to two
 * arguments have entries that know how many there are and which are by reference. */
#define FS_PLANNED_TAILS 9 /* the fast ones, then FS_TAIL_MEM */
#define FS_VEC_BUCKETS 3
#define FS_FEW_VEC_BUCKETS 2
#define FS_SHAPE_NONE 0
#define FS_SHAPE_ONE 1  /* and 2: by reference */
#define FS_SHAPE_TWO 3  /* and 4, 5, 6: 1 for the second, 2 for the first by reference */
#define FS_SHAPE_MORE 7 /* than two */

/* --- call frame information of a trampoline (s390x ELF ABI: DWARF has the registers' own numbers).
 *     The CFA is 160 bytes above the stack pointer, behind the area that every caller provides, and
 *     the return address is in its register; five bytes, the rest DW_CFA_nop. ------------------ */
#define FS_DWARF_RA 14
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 15, 0x80 | 32, 1, 0} /* DW_CFA_def_cfa r15 160 */
/* clang-format on */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 11
#define FS_RELOC_GLOB_DAT 10

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
/* A jump into its own second half, 0001, which is no instruction: the trap that GCC makes, too. */
#define FS_TRAP j .+2
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
