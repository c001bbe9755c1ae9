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
 * arch/table_code.h says why that is not done here, in trampolines of 32 bytes.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "powerpc64le"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the page that most kernels have here */
#define FS_TABLE_SPAN_BITS 19 /* the stub clears as many */
#define FS_TABLE_SPAN (1 << FS_TABLE_SPAN_BITS)
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 8
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 40
#define FS_SLOT_DATA 48

/* --- or one that hops (hop.S); registers have their DWARF numbers (r0 .. r31, r1 is the stack
 *     pointer) -------------------------------------------------------------------------------- */
#define FS_SLOT_HOP_CODE 8
#define FS_SLOT_HOP_DATA 16
#define FS_HOP_REGISTERS 32
#define FS_HOP_SP 1
#define FS_HOP_CHAIN 11 /* GCC's static chain */
#define FS_HOP_R 11
#define FS_HOP_SIZE 20

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_NARGS 8   /* byte: arguments */
#define FS_PLAN_MORE 9    /* byte: 0, because nothing is passed by reference */
#define FS_PLAN_TAIL 10   /* 2 bytes: fs_abi_tail_code() */
#define FS_PLAN_BYTES 12  /* then `nargs` places */
#define FS_PLAN_INLINE 20 /* how many such bytes there are */
#define FS_PLAN_UNIT 4    /* frame bytes that each counts in */

/* --- a plan in memory of its own (struct fs_long), of which fs_entry_long walks the places; one
 * with pieces is C's (plan/run.c) -------------------------------------------------------------- */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_STRIDE 18
#define FS_LONG_HOME 19
#define FS_LONG_WORDS 20

/* --- the frame that a planned entry builds, in bytes from r1 ------------------------------------
 * Below are the 32 bytes that every callee may write to. Floating registers are saved as doubles,
 * or as floats, or both, so that a struct of either is whole in memory. Where an argument is on the
 * stack, the caller provides FS_FRAME_HOME, right below it, for the general registers. */
#define FS_FRAME_GPR 32      /* r3 .. r10 */
#define FS_FRAME_DOUBLES 96  /* f1 .. f13 */
#define FS_FRAME_SINGLES 208 /* the same as floats */
#ifdef __LONG_DOUBLE_IEEE128__
#define FS_FRAME_QUADS 272    /* v2 .. v13 */
#define FS_FRAME_RET 464      /* the result */
#define FS_FRAME_RET_SIZE 128 /* zero when the handler starts, as far as this result needs it */
#else
#define FS_FRAME_RET 272
#define FS_FRAME_RET_SIZE 64
#endif
#define FS_FRAME_SRET (FS_FRAME_RET + FS_FRAME_RET_SIZE) /* where a result in memory goes */
#define FS_FRAME_TAIL (FS_FRAME_SRET + 8)   /* kept over the handler, which may free the closure */
#define FS_FRAME_ARGV (FS_FRAME_SRET + 16)  /* avalue[20] */
#define FS_FRAME_SIZE (FS_FRAME_ARGV + 160) /* a multiple of 16 */
#define FS_FRAME_HOME (FS_FRAME_SIZE + 32)
#define FS_FRAME_STACK (FS_FRAME_HOME + 64) /* the caller's stack arguments */

/* --- how a result goes back ----------------------------------------------------------------
 * As on x86-64: the first does for most, and each of the others has FS_TAIL_SIZE bytes of code in
 * planned entries. */
#define FS_TAIL_WORD 0    /* 64-bit integers, pointers, double: r3, f1 */
#define FS_TAIL_PAIR 1025 /* 16 bytes in r3 and r4, or in f1 and f2 */
#define FS_TAIL_S32 1
#define FS_TAIL_U32 2 /* float, too: r3, f1 */
#define FS_TAIL_S16 3
#define FS_TAIL_U16 4
#define FS_TAIL_S8 5
#define FS_TAIL_U8 6
#define FS_TAIL_NONE 7     /* void: nothing; in planned entries as FS_TAIL_PAIR */
#define FS_TAIL_BOTH 8     /* FS_TAIL_S32 .. _U8, twice: complex integers, in r3 and r4 */
#define FS_TAIL_BYTES 14   /* what is more than 16 bytes: */
#define FS_TAIL_FLOATS 14  /* f1 .. f8 */
#define FS_TAIL_DOUBLES 15 /* f1 .. f8 */
#define FS_TAIL_QUADS 16   /* v2 .. v9 */
#define FS_TAIL_MEM 1024   /* where r3 said, and its address in r3 */
#define FS_TAIL_SIZE 128
#define FS_FAST_TAILS 8 /* the first eight have scalar entries of their own */
#define FS_SCALAR_G 8   /* for so many general scalars and fewer */
#define FS_SCALAR_V 8   /* for so many doubles */

/* Planned entries, by what they save: of the general registers none, 3, all, or all at
 * FS_FRAME_HOME; of the floating ones none; 2, 4 or all as doubles; 4 as floats; 4 or all as both;
 * those and the vector registers. */
#define FS_GPR_BUCKETS 4
#define FS_VEC_BUCKETS 8

/* --- call frame information of a trampoline (64-bit ELF V2 ABI: r1 is 1, LR is 65). The CFA is r1
 *     all along and the return address is in its register; five bytes, the rest DW_CFA_nop. ---- */
#define FS_DWARF_RA 65
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 1, 0, 0, 0} /* DW_CFA_def_cfa r1 0 */
/* clang-format on */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 21
#define FS_RELOC_GLOB_DAT 20

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
