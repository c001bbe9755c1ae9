/* SPDX-License-Identifier: MIT */
/* arch.h - x86-64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is %r10: the psABI's static
 * chain register, which no C argument uses (System V psABI for AMD64, figure 3.4).
 *
 * A trampoline is 16 bytes:
 *
 *     endbr64                      4
 *     lea   slot(%rip), %r10       7
 *     jmp   stub                   5     stub: jmp *hot(%rip), one stub a page
 *
 * `hot` is one pointer per table and leads to fs_enter_slot: jmp *(%r10). arch/table_code.h says
 * why the way is not shorter.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "x86-64"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 4096
#include "arch/sizes.h"

/* Provider trampfd: R's number in instructions; where a trampoline loads its slot's address from
 * the constants, which are FS_TABLE_CODE bytes before the code, and how: mov . + 12 - FS_TABLE_CODE
 * (%rip), %r10, counted from the mov; and the stub, which jumps through the first word of its
 * group's constants: jmp *. - 4080 - FS_TABLE_CODE(%rip), then int3. */
#define FS_TRAMPFD_R 10
#define FS_TRAMPFD_LOAD_AT 4
/* clang-format off */
#define FS_TRAMPFD_LOAD {0x4c, 0x8b, 0x15, 0x05, 0x00, 0xff, 0xff}
#define FS_TRAMPFD_STUB {0xff, 0x25, 0x0a, 0xf0, 0xfe, 0xff, 0xcc, 0xcc,                           \
                         0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc}
/* clang-format on */

/* --- a slot that is a closure: offsets of its words ---------------------------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 8
#define FS_SLOT_CIF 32
#define FS_SLOT_HANDLER 40
#define FS_SLOT_DATA 48

/* --- or one that hops (hop.S); registers have their DWARF numbers (psABI, figure 3.36) ------- */
#define FS_SLOT_HOP_CODE 8
#define FS_SLOT_HOP_DATA 16
#define FS_HOP_REGISTERS 16
#define FS_HOP_SP 7
#define FS_HOP_CHAIN 10 /* GCC's static chain */
#define FS_HOP_R 10
#define FS_HOP_SIZE 16

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_NARGS 8   /* byte: arguments */
#define FS_PLAN_MORE 9    /* byte: words to gather into the scratch area, an even number */
#define FS_PLAN_TAIL 10   /* 2 bytes: fs_abi_tail_code() */
#define FS_PLAN_BYTES 12  /* then `nargs` argument words, then the words to gather */
#define FS_PLAN_INLINE 20 /* how many such bytes there are */
#define FS_PLAN_UNIT 8    /* frame bytes that each counts in */

/* --- the frame that a planned entry builds; everything counts from the first saved register,
 *     in 8-byte words. Vector registers are saved 8 bytes each (no argument here is wider), so
 *     that a struct in two of them, or in two general ones, is already whole in memory. ------ */
#define FS_FRAME_GPR 0       /* rdi rsi rdx rcx r8 r9 */
#define FS_FRAME_SRET 0      /* the hidden pointer is rdi */
#define FS_FRAME_VEC 48      /* xmm0 .. xmm7, low halves */
#define FS_FRAME_RET 112     /* the result, what most read of it within a byte's reach */
#define FS_FRAME_RET_SIZE 32 /* zero when the handler starts, as far as this result needs it */
#define FS_FRAME_ARGV 144    /* avalue[20] */
#define FS_FRAME_SCRATCH 304 /* gathered structs: 16 bytes for each of 14 registers */
#define FS_FRAME_TAIL 528    /* FS_TAIL_*, kept over the handler, which may free the closure */
#define FS_FRAME_SIZE 536    /* = 8 mod 16: the stack is aligned after the caller's call */
#define FS_FRAME_STACK 544   /* the caller's stack arguments: behind the return address */

/* --- how a result goes back ----------------------------------------------------------------
 * The first does for most: it loads rax, rdx, xmm0 and xmm1 alike, and the caller looks at those
 * that its type is in. Each of the others has FS_TAIL_SIZE bytes of code in planned entries, the
 * last more. Nothing is loaded wider than the handler may have stored it: a load of eight bytes
 * over a store of four waits until the store has reached the cache. */
#define FS_TAIL_WORD 0    /* 64-bit integers, pointers, double: rax, xmm0 */
#define FS_TAIL_PAIR 1025 /* structs and complex, the same way, but not in the scalar entries */
#define FS_TAIL_S32 1
#define FS_TAIL_U32 2 /* float, too: eax, xmm0 */
#define FS_TAIL_S16 3
#define FS_TAIL_U16 4
#define FS_TAIL_S8 5
#define FS_TAIL_U8 6
#define FS_TAIL_NONE 7    /* void: nothing; in planned entries as the first */
#define FS_TAIL_GV 8      /* struct: rax, xmm0 */
#define FS_TAIL_VG 9      /* struct: xmm0, rax */
#define FS_TAIL_X87 10    /* long double: st0 */
#define FS_TAIL_X87X2 11  /* complex long double: st0, st1 */
#define FS_TAIL_HALVES 12 /* as FS_TAIL_PAIR, of members some of which have less than 8 bytes */
#define FS_TAIL_MEM 1024  /* through the hidden pointer in rdi, which goes back in rax */
#define FS_TAIL_SIZE 32
#define FS_FAST_TAILS 8 /* the first eight have scalar entries of their own */
#define FS_SCALAR_G 6   /* for so many general scalars and fewer */
#define FS_SCALAR_V 8   /* for so many vector ones */

/* How many vector registers a planned entry saves: one entry each for 0, 1, 2, 4 and 8. */
#define FS_VEC_BUCKETS 5

/* --- call frame information of a trampoline: the CFA is rsp+8, all along (rsp is 7) -------- */
#define FS_DWARF_RA 16
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 7, 8, 0x80 | 16, 1} /* DW_CFA_def_cfa rsp 8; offset ra 1 */
/* clang-format on */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 7
#define FS_RELOC_GLOB_DAT 6

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP int3
/* What fills tables of code up: no instruction of 64-bit mode. Post-link optimizers (BOLT) move and
 * shorten functions, which breaks tables: the place of each trampoline is computed. They leave as it
 * is what they cannot disassemble. */
#define FS_FILL 0x06
#define FS_LANDING endbr64
/* x86 psABI, "Program property": IBT and SHSTK. */
#define FS_PROPERTY_TYPE 0xc0000002
#define FS_PROPERTY_BITS 3
#include "arch/asm.h"
#endif
/* clang-format on */

#endif
