/* SPDX-License-Identifier: MIT */
/* entry.S - x86-64: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds: r10 = the closure, the caller's arguments in rdi rsi rdx rcx r8 r9,
 * xmm0-xmm7 and on the stack, rsp = 8 mod 16, the return address on top. Every entry keeps what
 * the psABI says a callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [rdi], void *ret [rsi], void **args [rdx], void *data [rcx])
 *
 * exactly once, aligned, with real frame descriptions: an exception may pass, a debugger may
 * look. What the return needs is taken from the closure *before* the handler runs, because the
 * handler may free it.
 *
 * Three kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars of one register class; straight-line code
 *   fs_entry_plan               up to 20 argument and gather words, walked from the slot
 *   fs_entry_long               anything else: the same frame, walked by C (plan/run.c)
 */
#include "arch.h"

/* Load the result and go. `at` is the result's offset from rsp. A void, an integer, a pointer, a
 * float and a double share one tail: the register that the caller does not look at may hold
 * anything. */
.macro fs_return tail, at, frame
    .if \tail == FS_TAIL_WORD
    movq \at(%rsp), %rax
    movq \at(%rsp), %xmm0
    .elseif \tail == FS_TAIL_S32
    movslq \at(%rsp), %rax
    .else
    movl \at(%rsp), %eax
    .endif
    addq $\frame, %rsp
    .cfi_adjust_cfa_offset -\frame
    ret
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *      general, frame 120                  vector, frame 152
 *      rsp+104   (alignment)               rsp+144   (alignment)
 *      rsp+96    result, 8                 rsp+128   result, 8 (+8)
 *      rsp+48    saved registers, 6 x 8    rsp+64    saved registers, 8 x 8
 *      rsp       avalue, 6 x 8             rsp       avalue, 8 x 8
 */
#define SCALAR_G_FRAME 120
#define SCALAR_V_FRAME 152

.macro fs_scalar_call frame, ret
    leaq \ret(%rsp), %rsi
    movq FS_SLOT_CIF(%r10), %rdi
    movq %rsp, %rdx
    movq FS_SLOT_DATA(%r10), %rcx
    call *FS_SLOT_HANDLER(%r10)
.endm

.macro fs_spill_g n
    .irp r, rdi, rsi, rdx, rcx, r8, r9
    .if fs_k < \n
    movq %\r, 48 + 8 * fs_k(%rsp)
    leaq 48 + 8 * fs_k(%rsp), %rax
    movq %rax, 8 * fs_k(%rsp)
    .set fs_k, fs_k + 1
    .endif
    .endr
.endm

.macro fs_spill_v n
    .irp r, xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7
    .if fs_k < \n
    movlps %\r, 64 + 8 * fs_k(%rsp)
    leaq 64 + 8 * fs_k(%rsp), %rax
    movq %rax, 8 * fs_k(%rsp)
    .set fs_k, fs_k + 1
    .endif
    .endr
.endm

.macro fs_scalar class, n, tail
    .balign 16
    FS_FUNC(fs_entry_\class\n\()_\tail)
    .set fs_k, 0
    .ifc \class, g
    subq $SCALAR_G_FRAME, %rsp
    .cfi_adjust_cfa_offset SCALAR_G_FRAME
    fs_spill_g \n
    fs_scalar_call SCALAR_G_FRAME, 96
    fs_return \tail, 96, SCALAR_G_FRAME
    .else
    subq $SCALAR_V_FRAME, %rsp
    .cfi_adjust_cfa_offset SCALAR_V_FRAME
    fs_spill_v \n
    fs_scalar_call SCALAR_V_FRAME, 128
    fs_return \tail, 128, SCALAR_V_FRAME
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
    /* and its place in the table below */
    .pushsection .data.rel.ro.fs_entries_\class, "aw", @progbits
    .quad fs_entry_\class\n\()_\tail
    .popsection
.endm

/* const fs_entry fs_scalar_g[7][FS_FAST_TAILS], fs_scalar_v[9][FS_FAST_TAILS]: filled as the
 * entries are made, in this order. No scalar at all is g0, and v0 the same for uniformity. */
    .pushsection .data.rel.ro.fs_entries_g, "aw", @progbits
    .balign 8
    .globl fs_scalar_g
    .hidden fs_scalar_g
fs_scalar_g:
    .popsection
    .pushsection .data.rel.ro.fs_entries_v, "aw", @progbits
    .balign 8
    .globl fs_scalar_v
    .hidden fs_scalar_v
fs_scalar_v:
    .popsection

    .text
    .irp n, 0, 1, 2, 3, 4, 5, 6
    fs_scalar g, \n, 0
    fs_scalar g, \n, 1
    fs_scalar g, \n, 2
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8
    fs_scalar v, \n, 0
    fs_scalar v, \n, 1
    fs_scalar v, \n, 2
    .endr

/* --- the planned frame (arch.h has its offsets, counted from rsp here) ---------------------
 *
 *      rsp+416   the caller's stack arguments
 *      rsp+408   return address
 *      rsp+400   tail
 *      rsp+240   avalue[20]
 *      rsp+208   result, 32
 *      rsp+112   gathered structs, 6 x 16
 *      rsp+48    xmm0 .. xmm7, low halves
 *      rsp       rdi rsi rdx rcx r8 r9
 */
.macro fs_frame_open
    subq $FS_FRAME_SIZE, %rsp
    .cfi_adjust_cfa_offset FS_FRAME_SIZE
    movq %rdi, FS_FRAME_GPR + 0(%rsp)
    movq %rsi, FS_FRAME_GPR + 8(%rsp)
    movq %rdx, FS_FRAME_GPR + 16(%rsp)
    movq %rcx, FS_FRAME_GPR + 24(%rsp)
    movq %r8, FS_FRAME_GPR + 32(%rsp)
    movq %r9, FS_FRAME_GPR + 40(%rsp)
.endm

.macro fs_frame_vectors
    movlps %xmm0, FS_FRAME_VEC + 0(%rsp)
    movlps %xmm1, FS_FRAME_VEC + 8(%rsp)
    movlps %xmm2, FS_FRAME_VEC + 16(%rsp)
    movlps %xmm3, FS_FRAME_VEC + 24(%rsp)
    movlps %xmm4, FS_FRAME_VEC + 32(%rsp)
    movlps %xmm5, FS_FRAME_VEC + 40(%rsp)
    movlps %xmm6, FS_FRAME_VEC + 48(%rsp)
    movlps %xmm7, FS_FRAME_VEC + 56(%rsp)
.endm

/* Two avalue pointers from the two words in the low half of `words` (32-bit, zero-extended with
 * xmm6 = 0 into `t`); xmm7 = the frame's base, twice. */
.macro fs_two_pointers op, words, t, at
    movdqa \words, \t
    \op %xmm6, \t
    paddq %xmm7, \t
    movaps \t, FS_FRAME_ARGV + 8 * (\at)(%rsp)
.endm

/* Four pointers from the low (op = punpcklwd) or high (punpckhwd) four 16-bit offsets in `from`. */
.macro fs_four_pointers op, from, at
    movdqa \from, %xmm4
    \op %xmm6, %xmm4
    fs_two_pointers punpckldq, %xmm4, %xmm5, \at
    fs_two_pointers punpckhdq, %xmm4, %xmm5, \at + 2
.endm

/* In: r10 = closure with a plan in its slot. */
    .balign 16
FS_FUNC(fs_entry_plan)
    fs_frame_open
    movzbl FS_PLAN_NARGS(%r10), %eax
    cmpb $0, FS_PLAN_VECTOR(%r10)
    je 1f
    fs_frame_vectors
1:  /* avalue[i] = rsp + 8 * word[i], four at a time; what is written past nargs is not read */
    movdqu FS_PLAN_BYTES(%r10), %xmm0
    movq %rsp, %xmm7
    punpcklqdq %xmm7, %xmm7
    pxor %xmm6, %xmm6
    movdqa %xmm0, %xmm1
    punpcklbw %xmm6, %xmm1
    psllw $3, %xmm1
    fs_four_pointers punpcklwd, %xmm1, 0
    cmpl $4, %eax
    jbe 2f
    fs_four_pointers punpckhwd, %xmm1, 4
    cmpl $8, %eax
    jbe 2f
    punpckhbw %xmm6, %xmm0
    psllw $3, %xmm0
    fs_four_pointers punpcklwd, %xmm0, 8
    cmpl $12, %eax
    jbe 2f
    fs_four_pointers punpckhwd, %xmm0, 12
    cmpl $16, %eax
    jbe 2f
    movd FS_PLAN_BYTES + 16(%r10), %xmm0
    punpcklbw %xmm6, %xmm0
    psllw $3, %xmm0
    fs_four_pointers punpcklwd, %xmm0, 16
2:  /* scratch[k] = frame word number byte[nargs + k] */
    movzbl FS_PLAN_GATHER(%r10), %ecx
    testl %ecx, %ecx
    je 4f
    leaq FS_PLAN_BYTES(%r10, %rax), %rdx
3:  movzbl -1(%rdx, %rcx), %esi
    movq (%rsp, %rsi, 8), %rdi
    movq %rdi, FS_FRAME_SCRATCH - 8(%rsp, %rcx, 8)
    decl %ecx
    jne 3b
4:  leaq FS_FRAME_RET(%rsp), %rsi
    movzbl FS_PLAN_TAIL(%r10), %eax
    cmpl $FS_TAIL_MEM, %eax
    cmoveq FS_FRAME_GPR(%rsp), %rsi
    movq %rax, FS_FRAME_TAIL(%rsp)
    leaq FS_FRAME_ARGV(%rsp), %rdx
    movq FS_SLOT_CIF(%r10), %rdi
    movq FS_SLOT_DATA(%r10), %rcx
    call *FS_SLOT_HANDLER(%r10)
    movq FS_FRAME_TAIL(%rsp), %rax
    jmp fs_tail_dispatch
FS_END(fs_entry_plan)

/* In: r10 = closure whose plan is a struct fs_long.
 * unsigned fs_plan_run(ffi_static_closure *closure [rdi], struct fs_frame *frame [rsi]) calls the
 * handler and returns the tail. */
    .balign 16
FS_FUNC(fs_entry_long)
    fs_frame_open
    fs_frame_vectors
    movq %r10, %rdi
    movq %rsp, %rsi
    call fs_plan_run
    movl %eax, %eax
    /* falls through with the frame as it is */
    .type fs_tail_dispatch, @function
fs_tail_dispatch:
    testl %eax, %eax
    jne 1f
    fs_return FS_TAIL_WORD, FS_FRAME_RET, FS_FRAME_SIZE
    .cfi_adjust_cfa_offset FS_FRAME_SIZE
1:  leaq fs_tails(%rip), %rdx
    shll $5, %eax
    addq %rax, %rdx
    jmp *%rdx

.macro fs_tail index
    .org fs_tails + \index * FS_TAIL_SIZE, 0xcc /* an error where the last tail was too long */
    endbr64
.endm
.macro fs_tail_end
    addq $FS_FRAME_SIZE, %rsp
    .cfi_adjust_cfa_offset -FS_FRAME_SIZE
    ret
    .cfi_adjust_cfa_offset FS_FRAME_SIZE
.endm

    .balign FS_TAIL_SIZE
fs_tails:
    fs_tail FS_TAIL_WORD
    movq FS_FRAME_RET(%rsp), %rax
    movq %rax, %xmm0
    fs_tail_end
    fs_tail FS_TAIL_S32
    movslq FS_FRAME_RET(%rsp), %rax
    fs_tail_end
    fs_tail FS_TAIL_U32
    movl FS_FRAME_RET(%rsp), %eax
    fs_tail_end
    fs_tail FS_TAIL_S16
    movswq FS_FRAME_RET(%rsp), %rax
    fs_tail_end
    fs_tail FS_TAIL_U16
    movzwl FS_FRAME_RET(%rsp), %eax
    fs_tail_end
    fs_tail FS_TAIL_S8
    movsbq FS_FRAME_RET(%rsp), %rax
    fs_tail_end
    fs_tail FS_TAIL_U8
    movzbl FS_FRAME_RET(%rsp), %eax
    fs_tail_end
    fs_tail FS_TAIL_GG
    movq FS_FRAME_RET(%rsp), %rax
    movq FS_FRAME_RET + 8(%rsp), %rdx
    fs_tail_end
    fs_tail FS_TAIL_GV
    movq FS_FRAME_RET(%rsp), %rax
    movsd FS_FRAME_RET + 8(%rsp), %xmm0
    fs_tail_end
    fs_tail FS_TAIL_VG
    movsd FS_FRAME_RET(%rsp), %xmm0
    movq FS_FRAME_RET + 8(%rsp), %rax
    fs_tail_end
    fs_tail FS_TAIL_VV
    movsd FS_FRAME_RET(%rsp), %xmm0
    movsd FS_FRAME_RET + 8(%rsp), %xmm1
    fs_tail_end
    fs_tail FS_TAIL_X87
    fldt FS_FRAME_RET(%rsp)
    fs_tail_end
    fs_tail FS_TAIL_X87X2
    fldt FS_FRAME_RET + 16(%rsp)
    fldt FS_FRAME_RET(%rsp)
    fs_tail_end
    fs_tail FS_TAIL_MEM
    movq FS_FRAME_GPR(%rsp), %rax
    fs_tail_end
FS_END(fs_entry_long)

FS_ASM_NOTES
