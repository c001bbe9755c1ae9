/* SPDX-License-Identifier: MIT */
/* entry.S - i386: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds, as table.S leaves it:
 *
 *      12(%esp)  the caller's stack arguments; a multiple of 16, where the caller keeps to the psABI
 *      8(%esp)   return address
 *      4(%esp)   slot, and so does eax
 *      0(%esp)   the caller's eax
 *
 * and, of conventions that pass arguments in registers, those in ecx and edx. Every entry keeps what
 * the psABI says a callee keeps, and calls
 *
 *     void handler(ffi_cif *cif, void *ret, void **args, void *data), all on the stack
 *
 * exactly once, aligned, with real frame descriptions: an exception may pass, a debugger may look.
 * What the return needs is taken from the closure *before* the handler runs, because the handler may
 * free it. What *ret holds comes back in registers and is zero before, so that a handler that fails
 * and writes nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that
 * the caller gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * Three kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_g<n>_<tail>    n words on the stack, which a float is as well; straight-line code
 *   fs_entry_plan_<tail>    up to 11 arguments on the stack, whose places the slot has
 *   fs_entry_long           anything else, and all conventions but cdecl: the plan is in memory of its
 *                           own, and what has pieces to gather is walked by C (plan/run.c)
 */
#include "arch.h"
#include "arch/entry.h"

/* Load the result, which is at `at` from `base`, the way that FS_TAIL_<tail> says. */
.macro fs_load tail, at, base
    .if \tail == FS_TAIL_WORD
    movl \at(\base), %eax
    movl \at + 4(\base), %edx
    .elseif \tail == FS_TAIL_U32
    movl \at(\base), %eax
    .elseif \tail == FS_TAIL_S16
    movswl \at(\base), %eax
    .elseif \tail == FS_TAIL_U16
    movzwl \at(\base), %eax
    .elseif \tail == FS_TAIL_S8
    movsbl \at(\base), %eax
    .elseif \tail == FS_TAIL_U8
    movzbl \at(\base), %eax
    .elseif \tail == FS_TAIL_FLOAT
    flds \at(\base)
    .elseif \tail == FS_TAIL_DOUBLE
    fldl \at(\base)
    .elseif \tail == FS_TAIL_X87
    fldt \at(\base)
    .elseif \tail != FS_TAIL_NONE
    .error "fs_load does not know this tail"
    .endif
.endm

/* Zero where the result is going to be: one word or two. */
.macro fs_clear tail, at, base
    .if \tail != FS_TAIL_NONE
    movl $0, \at(\base)
    .endif
    .if \tail == FS_TAIL_WORD || \tail == FS_TAIL_DOUBLE
    movl $0, \at + 4(\base)
    .endif
.endm

/* In: eax = closure, ecx = args, edx = ret. */
.macro fs_call_handler
    pushl FS_SLOT_DATA(%eax)
    .cfi_adjust_cfa_offset 4
    pushl %ecx
    .cfi_adjust_cfa_offset 4
    pushl %edx
    .cfi_adjust_cfa_offset 4
    pushl FS_SLOT_CIF(%eax)
    .cfi_adjust_cfa_offset 4
    call *FS_SLOT_HANDLER(%eax)
.endm
#define HANDLER_ARGUMENTS 16

/* --- scalars --------------------------------------------------------------------------------
 *
 *      the caller's stack arguments
 *      return address
 *      result, 8: where the slot and the caller's eax were
 *      (alignment)
 *      avalue, n words
 *      esp: cif, ret, args, data
 *
 * fs_pad: so many words that avalue begins at a multiple of 16. */
.macro fs_scalar class, n, tail
    .balign 16
    FS_ENTRY(fs_entry_\class\n\()_\tail)
    .set fs_pad, (1 - \n) & 3
    fs_clear \tail, 0, %esp
    .if fs_pad
    subl $4 * fs_pad, %esp
    .cfi_adjust_cfa_offset 4 * fs_pad
    .endif
    .rept \n
    /* Argument k - 1 is the same way off each time: it is a word lower, and so is esp. */
    leal 12 + 4 * (fs_pad + \n - 1)(%esp), %ecx
    pushl %ecx
    .cfi_adjust_cfa_offset 4
    .endr
    movl %esp, %ecx
    leal 4 * (fs_pad + \n)(%esp), %edx
    fs_call_handler
    .set fs_at, 4 * (fs_pad + \n) + HANDLER_ARGUMENTS
    fs_load \tail, fs_at, %esp
    addl $fs_at + 8, %esp
    .cfi_def_cfa_offset 4
    ret
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_scalars g, FS_SCALAR_G

/* --- the planned frame (arch.h has its offsets, counted from ebp) --------------------------------
 *
 *          the caller's stack arguments
 *          return address
 *          slot
 *          the caller's eax
 *          the caller's ebp
 *      ebp result, 8
 *          result, if it is of FS_TAIL_X87
 *          (alignment)
 *          avalue[2], [6] or [12]
 *      esp cif, ret, args, data
 */
.macro fs_frame_cfi
    .cfi_def_cfa ebp, FS_FRAME_STACK
.endm

/* avalue[i + 1] and avalue[i] = ebp + FS_PLAN_UNIT * their bytes. */
.macro fs_argument i
    movzbl FS_PLAN_BYTES + \i(%eax), %ecx
    leal (%ebp, %ecx, FS_PLAN_UNIT), %ecx
    pushl %ecx
.endm

/* Call the handler and return its result. */
.macro fs_planned_call tail
    movl %esp, %ecx
    .if \tail == FS_TAIL_MEM || \tail == FS_TAIL_MEM_KEPT
    movl FS_FRAME_STACK(%ebp), %edx
    .elseif \tail == FS_TAIL_X87
    leal FS_FRAME_RET(%ebp), %edx
    .else
    movl %ebp, %edx
    .endif
    pushl FS_SLOT_DATA(%eax)
    pushl %ecx
    pushl %edx
    pushl FS_SLOT_CIF(%eax)
    call *FS_SLOT_HANDLER(%eax)
    .if \tail == FS_TAIL_MEM || \tail == FS_TAIL_MEM_KEPT
    movl FS_FRAME_STACK(%ebp), %eax
    .elseif \tail == FS_TAIL_X87
    fs_load \tail, FS_FRAME_RET, %ebp
    .else
    fs_load \tail, 0, %ebp
    .endif
    .cfi_remember_state
    leal FS_FRAME_EBP(%ebp), %esp
    popl %ebp
    .cfi_def_cfa esp, FS_FRAME_STACK - FS_FRAME_EAX
    .cfi_restore ebp
    addl $FS_FRAME_LINK - FS_FRAME_EAX, %esp
    .cfi_def_cfa_offset 4
    .if \tail == FS_TAIL_MEM
    ret $4
    .else
    ret
    .endif
    .cfi_restore_state
.endm

.macro fs_planned_entry tail
    .balign 32
    FS_ENTRY(fs_entry_plan_\tail)
    pushl %ebp
    .cfi_adjust_cfa_offset 4
    .cfi_rel_offset ebp, 0
    subl $FS_FRAME_EBP, %esp
    .cfi_adjust_cfa_offset FS_FRAME_EBP
    movl %esp, %ebp
    fs_frame_cfi
    .if \tail == FS_TAIL_X87
    .rept FS_FRAME_RET_SIZE / 4
    pushl $0
    .endr
    .elseif \tail < FS_TAIL_X87
    fs_clear \tail, 0, %ebp
    .endif
    cmpb $2, FS_PLAN_NARGS(%eax)
    ja 1f
    fs_argument 1
    fs_argument 0
    fs_planned_call \tail
    .balign 16
1:  cmpb $6, FS_PLAN_NARGS(%eax)
    jbe 2f
    subl $8, %esp /* alignment */
    .irp i, 11, 10, 9, 8, 7, 6
    fs_argument \i
    .endr
2:  .irp i, 5, 4, 3, 2, 1, 0
    fs_argument \i
    .endr
    fs_planned_call \tail
    FS_END(fs_entry_plan_\tail)
    fs_is_next_in fs_planned, fs_entry_plan_\tail
.endm

/* What is written past nargs is not read. The twelfth byte is the slot's next word's. */
    fs_table_of_entries fs_planned
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    fs_planned_entry \tail
    .endr

/* --- long signatures, and conventions with registers or a callee that pops -----------------------
 *
 *          the caller's stack arguments
 *          return address
 *          slot
 *          the caller's eax, or the hidden pointer
 *          the caller's ebp
 *          edx
 *      ebp ecx
 *          result, 16
 *          tail, words to pop
 *          (alignment)
 *      esp avalue[], as long as it must be
 *
 * In: eax = closure whose plan is a struct fs_long. */
    .balign 32
FS_ENTRY(fs_entry_long)
    pushl %ebp
    .cfi_adjust_cfa_offset 4
    .cfi_rel_offset ebp, 0
    pushl %edx
    .cfi_adjust_cfa_offset 4
    pushl %ecx
    .cfi_adjust_cfa_offset 4
    movl %esp, %ebp
    fs_frame_cfi
    movl FS_SLOT_PLAN(%eax), %ecx
    .rept FS_FRAME_RET_SIZE / 4
    pushl $0
    .endr
    leal FS_FRAME_RET(%ebp), %edx
    pushl FS_LONG_TAIL(%ecx) /* and the words to pop */
    cmpw $0, FS_FRAME_TAIL(%ebp)
    jge 1f
    movl FS_FRAME_STACK(%ebp), %edx
    cmpw $-1, FS_FRAME_TAIL(%ebp)
    je 9f
    movl FS_FRAME_ECX(%ebp), %edx
9:  movl %edx, FS_FRAME_SRET(%ebp)
    movl %edx, FS_FRAME_RET(%ebp) /* and goes back */
1:  cmpl $0, FS_LONG_PIECES(%ecx)
    jne 8f
    pushl %edx
    /* avalue, aligned; filled from its end, so that the stack is touched downwards. */
    movl FS_LONG_NARGS(%ecx), %edx
    shll $2, %edx
    subl %edx, %esp
    andl $-16, %esp
    testl %edx, %edx
    je 3f
2:  movl FS_LONG_WORDS - 4(%ecx, %edx), %eax
    addl %ebp, %eax
    movl %eax, -4(%esp, %edx)
    subl $4, %edx
    jne 2b
3:  movl FS_FRAME_SLOT(%ebp), %eax
    movl FS_FRAME_TAIL - 4(%ebp), %edx
    movl %esp, %ecx
    pushl FS_SLOT_DATA(%eax)
    pushl %ecx
    pushl %edx
    pushl FS_SLOT_CIF(%eax)
    call *FS_SLOT_HANDLER(%eax)
4:  movl FS_FRAME_RET(%ebp), %eax
    movl FS_FRAME_RET + 4(%ebp), %edx
    movswl FS_FRAME_TAIL(%ebp), %ecx
    cmpl $FS_TAIL_U32, %ecx
    jle 6f
    .irp tail, FS_TAIL_FLOAT, FS_TAIL_DOUBLE, FS_TAIL_X87, FS_TAIL_S16, FS_TAIL_U16, FS_TAIL_S8, FS_TAIL_U8
    cmpl $\tail, %ecx
    jne 5f
    fs_load \tail, FS_FRAME_RET, %ebp
    jmp 6f
5:
    .endr
    /* The return address goes to where the callee's pop ends. Its `ret` finds the CFA in ecx, and
     * itself at esp (DW_CFA_expression, register 8, 2 bytes: DW_OP_breg4 0). */
6:  movzwl FS_FRAME_POP(%ebp), %ecx
    pushl FS_FRAME_LINK(%ebp)
    popl FS_FRAME_LINK(%ebp, %ecx, 4)
    leal FS_FRAME_LINK(%ebp, %ecx, 4), %esp
    leal FS_FRAME_STACK(%ebp), %ecx
    .cfi_remember_state
    .cfi_def_cfa ecx, 0
    .cfi_escape 0x10, 8, 2, 0x74, 0
    movl FS_FRAME_EBP(%ebp), %ebp
    .cfi_restore ebp
    ret $0 /* gdb takes a plain one for the end of a frame that it guesses, whatever is said here */
    .cfi_restore_state
    /* int fs_plan_run(const struct fs_slot *slot, struct fs_frame *frame) calls the handler and
     * returns the tail, which is known. */
8:  subl $12, %esp
    pushl %ebp
    pushl %eax
    call fs_plan_run
    jmp 4b
FS_END(fs_entry_long)

FS_ASM_NOTES
