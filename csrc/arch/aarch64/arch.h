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
 * to do those two here; arch/table_code.h says why they are not.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "AArch64"

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
#define FS_SLOT_PLAN 8
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- or one that hops (hop.S); registers have their DWARF numbers (x0 .. x30, then sp) ----------
 */
#define FS_SLOT_HOP_CODE 8
#define FS_SLOT_HOP_DATA 16
#define FS_HOP_REGISTERS 32
#define FS_HOP_SP 31
#define FS_HOP_CHAIN 18 /* GCC's static chain */
#define FS_HOP_NEST 15  /* LLVM's */
#define FS_HOP_R 17
#define FS_HOP_SIZE 16

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_NARGS 8   /* byte: arguments */
#define FS_PLAN_MORE 9    /* byte: arguments that are passed by reference */
#define FS_PLAN_TAIL 10   /* 2 bytes: fs_abi_tail_code() */
#define FS_PLAN_BYTES 12  /* then `nargs` places, then the numbers of those by reference */
#define FS_PLAN_INLINE 12 /* how many such bytes there are */
#define FS_PLAN_UNIT 4    /* frame bytes that each counts in */

/* --- a plan in memory of its own (struct fs_long), of which fs_entry_long walks places and
 *     references; one with pieces is C's (plan/run.c) ----------------------------------------- */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_STRIDE 18
#define FS_LONG_WORDS 20

/* --- the frame that a planned entry builds, in bytes from sp, which is x29 ---------------------
 * Vector registers are saved as far apart as the arguments are wide that are in them: 4 bytes when
 * all are floats and some are in a struct, 16 when a long double is among them, else 8. So a struct
 * of floats, of doubles or of long doubles is whole in memory already, unless its signature mixes
 * them. STP reaches no further than 504 bytes. */
#define FS_FRAME_LINK 0      /* x29, x30 */
#define FS_FRAME_GPR 16      /* x0 .. x7 */
#define FS_FRAME_SRET 80     /* x8: where the caller wants a result in memory; fs_entry_long only */
#define FS_FRAME_TAIL 88     /* kept over the handler, which may free the closure */
#define FS_FRAME_VEC 96      /* s0 .. s7, d0 .. d7 or q0 .. q7 */
#define FS_FRAME_RET 224     /* the result */
#define FS_FRAME_RET_SIZE 64 /* zero when the handler starts, as far as this result needs it */
#define FS_FRAME_ARGV 288    /* avalue[12] */
#define FS_FRAME_SIZE 384    /* a multiple of 16 */
#define FS_FRAME_STACK 384   /* the caller's stack arguments */

/* --- how a result goes back ----------------------------------------------------------------
 * As on x86-64: the first does for most, and each of the others has FS_TAIL_SIZE bytes of code in
 * planned entries. */
#define FS_TAIL_WORD 0    /* 64-bit integers, pointers, double: x0, d0 */
#define FS_TAIL_PAIR 1025 /* structs in x0 and x1 */
#define FS_TAIL_S32 1
#define FS_TAIL_U32 2 /* float, too: w0, s0 */
#define FS_TAIL_S16 3
#define FS_TAIL_U16 4
#define FS_TAIL_S8 5
#define FS_TAIL_U8 6
#define FS_TAIL_NONE 7      /* void: nothing */
#define FS_TAIL_FLOATS 8    /* a struct of floats, complex float: s0 .. s3 */
#define FS_TAIL_QUADS 9     /* long doubles: q0 .. q3 */
#define FS_TAIL_PAIR_D 1026 /* structs of doubles, complex double: d0 .. d3 */
#define FS_TAIL_MEM 1024    /* through x8 */
#define FS_TAIL_SIZE 32
#define FS_FAST_TAILS 8 /* the first eight have scalar entries of their own */
#define FS_SCALAR_G 8   /* for so many general scalars and fewer */
#define FS_SCALAR_V 8   /* for so many vector ones */

/* One argument of any kind has an entry of its own for each tail, by what it saves (abi->shape). */
#define FS_ONE_G 1 /* x0, x1 */
#define FS_ONE_D 2 /* d0 .. d3 */
#define FS_ONE_S 3 /* s0 .. s3 */
#define FS_ONE_Q 4 /* q0 .. q3 */
#define FS_ONE_R 5 /* by reference: nothing, x0 is what the handler gets */
#define FS_ONE_SHAPES 5
#define FS_ONE_TAILS 13 /* the first ten, then from FS_TAIL_MEM on */

/* Planned entries, by what they save: 0, 2, 4, 6 or 8 general registers; and of the vector ones
 * none, 2, 4 or 8 as doubles, 8 as floats, 8 whole. */
#define FS_GPR_BUCKETS 5
#define FS_VEC_BUCKETS 6

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
/* ELF for AArch64, "Program Property": BTI is 1, PAC 2, GCS 4. Entries sign the return address that
 * they save, and return to where they were called from; nothing else here returns, so the guarded
 * control stack stays as it is. The linker ANDs the bits: an object that lacks one takes that
 * protection from the whole library. */
#define FS_PROPERTY_TYPE 0xc0000000
#define FS_PROPERTY_BITS 7
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
