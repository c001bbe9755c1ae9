/* SPDX-License-Identifier: MIT */
/* arch.h - i386: the numbers that C and assembly must agree on
 *
 * There is no register R here. The System V ABI leaves eax, ecx and edx to the callee, but a
 * convention that passes arguments in registers (FFI_REGISTER, regparm) takes all three. So R is
 * a word of the stack, as in libffi's own static trampolines, whose entries (ffi_closure_*_alt)
 * are bound as they are. Where the slot's entry is reached:
 *
 *      8(%esp)   return address
 *      4(%esp)   slot: R
 *      0(%esp)   the caller's eax; eax itself is spent
 *
 * A mapped trampoline has 32 bytes, as many as its slot, so all are at the same distance from their
 * slots and what comes after `call` is the same for all:
 *
 *     endbr32                      4
 *     push  %eax                   1     room for the slot
 *     push  %eax                   1
 *     call  stub                   5     stub: mov (%esp), %eax; ret: the only way to find the pc
 *     jmp   stub + 6               5     lea slot, %eax; mov %eax, 4(%esp); jmp *hot
 *
 * One stub for the 127 trampolines of its page. The call returns to where it came from, so a
 * processor's stack of return addresses stays right. `hot` is one pointer per table and leads to
 * fs_enter_slot: mov 4(%esp), %eax; jmp *(%eax). The stub has the slot in eax, but does not jump
 * through it at once: arch/table_code.h says why. With 100,000 closures in random order the detour
 * takes a third of the time.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "i386"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 4096
#define FS_TRAMP_SIZE 32
#define FS_SLOT_SIZE 32
#define FS_GROUP_SLOTS 128
#define FS_TABLE_SPAN 0x40000
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_PLAN 4
#define FS_SLOT_EAX 12 /* where fs_slot_in_eax goes on */
#define FS_SLOT_CIF 16
#define FS_SLOT_HANDLER 20
#define FS_SLOT_DATA 24

/* --- or one that hops (hop.S); registers have their DWARF numbers (psABI, table 2.14) -------- */
#define FS_SLOT_HOP_CODE 4
#define FS_SLOT_HOP_DATA 8
#define FS_HOP_REGISTERS 8
#define FS_HOP_SP 4
#define FS_HOP_CHAIN 1 /* GCC's static chain: ecx */
#define FS_HOP_SIZE 32

/* --- the plan inside the slot (struct fs_plan) ------------------------------------------------ */
#define FS_PLAN_NARGS 4   /* byte: arguments */
#define FS_PLAN_BYTES 5   /* then `nargs` places */
#define FS_PLAN_INLINE 11 /* how many such bytes there are */
#define FS_PLAN_UNIT 4    /* frame bytes that each counts in */

/* --- a plan in memory of its own (struct fs_long), of which fs_entry_long walks the places; one
 *     with pieces is C's (plan/run.c). FS_LONG_POP is how many words the callee pops. ------------
 */
#define FS_LONG_NARGS 0
#define FS_LONG_REFERENCES 4
#define FS_LONG_PIECES 8
#define FS_LONG_TAIL 16
#define FS_LONG_POP 18
#define FS_LONG_WORDS 20

/* --- the frame of planned entries, in bytes from ebp ------------------------------------------
 * What trampolines leave below the return address is in the frame. */
#define FS_FRAME_ECX                                                                               \
    0 /* fs_entry_long only: in planned ones, which have no arguments in registers, */
#define FS_FRAME_EDX 4 /* the result is in these two */
#define FS_FRAME_EBP 8
#define FS_FRAME_EAX 12
#define FS_FRAME_SLOT 16
#define FS_FRAME_LINK 20   /* the return address */
#define FS_FRAME_STACK 24  /* the caller's stack arguments */
#define FS_FRAME_SRET 12   /* fs_entry_long puts the hidden pointer in eax' place */
#define FS_FRAME_RET (-16) /* of fs_entry_long and FS_TAIL_X87 */
#define FS_FRAME_RET_SIZE 16
#define FS_FRAME_TAIL (-20) /* 2 bytes, kept over the handler, which may free the closure */
#define FS_FRAME_POP (-18)  /* 2 bytes: words that the callee pops */

/* --- how a result goes back ----------------------------------------------------------------
 * Planned entries exist for each of these but the last. fs_entry_long is told the number, but -1
 * for a hidden pointer on the stack and -2 for one in ecx; what is popped it knows otherwise. */
#define FS_TAIL_WORD 0 /* 64-bit integers, complex float: eax, edx */
#define FS_TAIL_U32 1  /* 32-bit integers, pointers: eax */
#define FS_TAIL_S32 1
#define FS_TAIL_S16 2
#define FS_TAIL_U16 3
#define FS_TAIL_S8 4
#define FS_TAIL_U8 5
#define FS_TAIL_NONE 6      /* void: nothing */
#define FS_TAIL_FLOAT 7     /* st0 */
#define FS_TAIL_DOUBLE 8    /* st0 */
#define FS_TAIL_X87 9       /* long double: st0 */
#define FS_TAIL_MEM 10      /* through the hidden pointer, which goes back in eax and is popped */
#define FS_TAIL_MEM_KEPT 11 /* the same, but it is not popped, or as one of the arguments */
#define FS_TAIL_MEM_ECX 12  /* the same, but it is in ecx */
#define FS_TAILS 12
#define FS_TAIL_CODE(tail)                                                                         \
    ((tail) == FS_TAIL_MEM_KEPT ? -1 : (tail) == FS_TAIL_MEM_ECX ? -2 : (int)(tail))
#define FS_FAST_TAILS 9 /* the first nine have scalar entries of their own */
#define FS_SCALAR_G 8   /* for so many words and fewer */
#define FS_SCALAR_V 0   /* no argument of C is in a vector register */

/* --- call frame information of a trampoline (esp is 4, the return address is 8). The stack moves
 *     within it, at the same place in each, so the place says where the CFA is: esp + 4, and 4
 *     more behind each push (DWARF 4, 2.5). The stub keeps to it: what is called stands in its
 *     first 5 bytes, what is jumped to begins behind 6. ---------------------------------------- */
#define FS_DWARF_RA 8
/* clang-format off */
#define FS_DWARF_PROGRAM {FS_DWARF_ROW}
#define FS_DWARF_ROW                                                                               \
    0x80 | 8, 1,        /* DW_CFA_offset ra 1 */                                                   \
    0x0f, 16,           /* DW_CFA_def_cfa_expression, of 16 bytes: */                              \
    0x74, 4,            /* DW_OP_breg4 4: esp + 4 */                                               \
    0x78, 0,            /* DW_OP_breg8 0: pc */                                                    \
    0x4f, 0x1a, 0x12,   /* DW_OP_lit31, and, dup */                                                \
    0x35, 0x2a,         /* DW_OP_lit5, ge */                                                       \
    0x16, 0x36, 0x2a,   /* DW_OP_swap, lit6, ge */                                                 \
    0x22, 0x32, 0x24,   /* DW_OP_plus, lit2, shl: times 4 */                                       \
    0x22                /* DW_OP_plus */

/* --- relocations that write a symbol's address to a GOT entry (psABI), for dropin/elf.c --------
 */
#define FS_RELOC_JUMP_SLOT 7
#define FS_RELOC_GLOB_DAT 6

/* What follows is not for both. */
#ifdef __ASSEMBLER__
#define FS_TRAP int3
#define FS_LANDING endbr32
/* Where a trampoline jumps to, R and the caller's eax are below the return address. */
#define FS_ENTRY_CFI .cfi_def_cfa_offset 12
/* x86 psABI, "Program property": IBT and SHSTK. */
#define FS_PROPERTY_TYPE 0xc0000002
#define FS_PROPERTY_BITS 3
#include "arch/asm.h"
#else
/* An entry for what expects its slot in eax, and the stack as the caller left it: goes on at the
 * slot's word FS_SLOT_EAX. libffi's raw closures are that. */
void fs_slot_in_eax(void) __attribute__((visibility("hidden")));
#endif
/* clang-format on */

#endif
