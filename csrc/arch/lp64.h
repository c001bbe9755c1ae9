/* SPDX-License-Identifier: MIT */
/* lp64.h - RISC-V and LoongArch, LP64: the numbers that C and assembly must agree on
 *
 * The two psABIs are one, but for the names of registers and instructions (ops.h of each). So what
 * the two have alike stands once, in four files: this one, abi_lp64.h (where arguments lie),
 * entry_lp64.h (how C enters) and hop_lp64.h (the general form).
 *
 * arch.h includes this after it has defined FS_FLEN: how many bytes of a floating-point register
 * carry arguments. 8 in LP64D; 4 in LP64F; 0 in the soft-float ABI, where all are in general
 * registers.
 */
#ifndef FS_LP64_H
#define FS_LP64_H

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 8
#define FS_SLOT_REST 16 /* where an entry that has saved the arguments goes on */
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- or one that hops (hop.S); registers have their DWARF numbers, 0 is always zero ---------- */
#define FS_SLOT_HOP_CODE 8
#define FS_SLOT_HOP_DATA 16
#define FS_HOP_REGISTERS 32
#define FS_HOP_ZERO 0
#ifndef FS_HOP_SIZE
#define FS_HOP_SIZE 16
#endif

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_NARGS 8        /* byte: arguments */
#define FS_PLAN_MORE 9         /* byte: of the second list */
#define FS_PLAN_TAIL 10        /* 2 bytes: fs_abi_tail_code() */
#define FS_PLAN_BYTES 12       /* then `nargs` places, then the second list */
#define FS_PLAN_INLINE 12      /* how many such bytes there are */
#define FS_PLAN_UNIT 1         /* frame bytes that each counts in */
#define FS_PLAN_HALVES 1       /* a gathered struct may be of two pieces 4 bytes apart */
#define FS_PLAN_REFERENCE 0xf0 /* what is added to the number of an argument by reference */

/* --- a plan in memory of its own (struct fs_long), of which fs_entry_long walks places and
 *     references; one with pieces is C's (plan/run.c) ----------------------------------------- */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_STRIDE 18
#define FS_LONG_WORDS 20

/* --- the frame that a planned entry builds ------------------------------------------------------
 * Its byte 0 is FS_FRAME_BASE bytes from sp, so that as many places as can be fit one byte of a
 * plan. General registers are saved right below the caller's stack arguments: a struct that is
 * split between the two is whole in memory. */
#define FS_FRAME_BASE 192
#define FS_FRAME_ARGV (-192) /* avalue[12] */
#define FS_FRAME_RET (-96)   /* the result */
#define FS_FRAME_RET_SIZE 64 /* zero when the handler starts, as far as this result needs it */
#define FS_FRAME_TAIL (-32)  /* kept over the handler, which may free the closure */
#define FS_FRAME_LINK (-24)  /* ra, fp */
#define FS_FRAME_SCRATCH 0   /* gathered structs, 16 bytes each */
#define FS_FRAME_VEC 64      /* fa0 .. fa7 */
#define FS_FRAME_GPR 128     /* a0 .. a7 */
#define FS_FRAME_SRET 128    /* a0: where the caller wants a result in memory */
#define FS_FRAME_STACK 192   /* the caller's stack arguments */
#define FS_FRAME_SIZE 384    /* from sp; a multiple of 16 */

/* --- how a result goes back ----------------------------------------------------------------
 * In bytes of *ret. G is a0, F a float and D a double in the next floating-point register; behind
 * both, where the second one is: at 4 or at 8. All 32-bit integers are sign-extended, unsigned ones
 * too. Each but the first has FS_TAIL_SIZE bytes of code in planned entries.
 *
 * Where the second one is elsewhere, or the result is larger than two registers because its
 * alignment is, the tail is one with an 8, and FS_TAIL_SECOND(where) is added. */
#define FS_TAIL_WORD 0    /* 64-bit integers, pointers, double: a0, fa0 */
#define FS_TAIL_PAIR 1025 /* a0 and a1 */
#define FS_TAIL_S32 1
#define FS_TAIL_U32 2 /* float, too: a0, fa0 */
#define FS_TAIL_S16 3
#define FS_TAIL_U16 4
#define FS_TAIL_S8 5
#define FS_TAIL_U8 6
#define FS_TAIL_NONE 7 /* void: nothing */
#define FS_TAIL_FF4 8
#define FS_TAIL_GF4 9
#define FS_TAIL_FG4 10
#define FS_TAIL_FF8 11
#define FS_TAIL_GF8 12
#define FS_TAIL_FG8 13
#define FS_TAIL_FD8 14
#define FS_TAIL_DF8 15
#define FS_TAIL_GD8 16
#define FS_TAIL_DG8 17
#define FS_TAIL_DD8 18
#define FS_TAIL_PAIR_D 1026 /* two doubles: fa0 and fa1 */
#define FS_TAIL_MEM 1024    /* through the pointer in a0, which goes back there */
#define FS_TAIL_SIZE 64
#define FS_TAIL_SECOND(at) ((at) << 16)
#define FS_TAIL_CODE(tail) (((tail)&0xffff) * FS_TAIL_SIZE + ((tail) >> 16))
#define FS_FAST_TAILS 8 /* the first eight have scalar entries of their own */

/* One argument of any kind has an entry of its own for each tail, by what it is in (abi->shape): by
 * reference; two general registers; or one or two registers with its members, the second at byte 4
 * or 8. */
#define FS_ONE_R 1
#define FS_ONE_GG 2
#define FS_ONE_FF8 3 /* or one, at byte 0 */
#define FS_ONE_FF4 4
#define FS_ONE_GF4 5
#define FS_ONE_FG4 6
#define FS_ONE_GF8 7
#define FS_ONE_FG8 8
#if FS_FLEN
#define FS_ONE_SHAPES 8
#else
#define FS_ONE_SHAPES 2
#endif
#define FS_ONE_TAILS 22 /* up to FS_TAIL_DD8, then from FS_TAIL_MEM on */

/* Scalars of both classes in registers have entries by their number, up to FS_MIXED, and order.
 * With more integers than there are registers, up to FS_WORDS, argument i is word i of the frame.
 */
#if FS_FLEN
#define FS_MIXED 6
#else
#define FS_MIXED 0
#endif
/* Bytes of code each; a landing pad and a push on the shadow stack are 4 each. */
#ifdef __riscv_landing_pad
#define FS_MIXED_SIZE 48
#define FS_WORD_SIZE 12
#else
#define FS_MIXED_SIZE 40
#define FS_WORD_SIZE 8
#endif
#define FS_WORDS 32

/* Scalar entries, for so many scalars and fewer, in general registers and in vector ones. Planned
 * entries, by how many they save: 0, 2, 4, 6 or 8 general ones; 0, 2, 4 or 8 vector ones. */
#define FS_SCALAR_G 8
#define FS_GPR_BUCKETS 5
#if FS_FLEN
#define FS_SCALAR_V 8
#define FS_VEC_BUCKETS 4
#else
#define FS_SCALAR_V 0
#define FS_VEC_BUCKETS 1
#endif

/* --- relocations that write a symbol's address (psABIs), for dropin/elf.c. The second is a GOT
 *     entry's, and any other pointer's in data ------------------------------------------------- */
#define FS_RELOC_JUMP_SLOT 5
#define FS_RELOC_GLOB_DAT 2

#endif
