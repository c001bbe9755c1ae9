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
 * handler may free it. What *ret holds comes back in registers and is zero before, so that a handler
 * that fails and writes nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only
 * memory that the caller gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * Three kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars of one register class; straight-line code
 *   fs_entry_plan_<kind>_<g>_<v>  up to 20 argument and gather words, walked from the slot, after
 *                               saving the g general and v vector registers that carry arguments
 *   fs_entry_long               anything else: the same frame, walked by C (plan/run.c)
 */
#include "arch.h"
#define FS_TAIL_LANDING endbr64
#define FS_TAIL_FILL 0xcc /* int3 */
#include "arch/entry.h"

/* Load the result, which is at `at` from rsp, the way that FS_TAIL_<tail> says. An integer, a pointer
 * and a double share one tail, an unsigned int and a float another: the register that the caller
 * does not look at may hold anything. */
.macro fs_load tail, at
    .if \tail == FS_TAIL_WORD
    movq \at(%rsp), %rax
    movq \at(%rsp), %xmm0
    .elseif \tail == FS_TAIL_S32
    movslq \at(%rsp), %rax
    .elseif \tail == FS_TAIL_U32
    movl \at(%rsp), %eax
    movss \at(%rsp), %xmm0
    .elseif \tail == FS_TAIL_S16
    movswq \at(%rsp), %rax
    .elseif \tail == FS_TAIL_U16
    movzwl \at(%rsp), %eax
    .elseif \tail == FS_TAIL_S8
    movsbq \at(%rsp), %rax
    .elseif \tail == FS_TAIL_U8
    movzbl \at(%rsp), %eax
    .elseif \tail == FS_TAIL_GV
    movq \at(%rsp), %rax
    movsd \at + 8(%rsp), %xmm0
    .elseif \tail == FS_TAIL_VG
    movsd \at(%rsp), %xmm0
    movq \at + 8(%rsp), %rax
    .elseif \tail == FS_TAIL_X87
    fldt \at(%rsp)
    .elseif \tail == FS_TAIL_X87X2 /* the imaginary part first, so that the real one is st0 */
    fldt \at + 16(%rsp)
    fldt \at(%rsp)
    .elseif \tail != FS_TAIL_NONE
    .error "fs_load does not know this tail"
    .endif
.endm

.macro fs_return tail, at, frame
    fs_load \tail, \at
    addq $\frame, %rsp
    .cfi_adjust_cfa_offset -\frame
    ret
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *      general, frame 120                  vector, frame 152
 *      rsp+104   (alignment)               rsp+144   (alignment)
 *      rsp+96    result, 8                 rsp+80    saved registers, 8 x 8
 *      rsp+48    saved registers, 6 x 8    rsp+16    avalue, 8 x 8
 *      rsp       avalue, 6 x 8             rsp       result, 8 (+8)
 */
#define SCALAR_G_FRAME 120
#define SCALAR_V_FRAME 152

.macro fs_scalar_call ret, avalue
    leaq \ret(%rsp), %rsi
    movq FS_SLOT_CIF(%r10), %rdi
    leaq \avalue(%rsp), %rdx
    movq FS_SLOT_DATA(%r10), %rcx
    call *FS_SLOT_HANDLER(%r10)
.endm

.macro fs_scalar_clear tail, ret
    .if \tail != FS_TAIL_NONE
    movq $0, \ret(%rsp)
    .endif
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
    movlps %\r, 80 + 8 * fs_k(%rsp)
    leaq 80 + 8 * fs_k(%rsp), %rax
    movq %rax, 16 + 8 * fs_k(%rsp)
    .set fs_k, fs_k + 1
    .endif
    .endr
.endm

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing
    leaq fs_nothing(%rip), %rsi
    movq FS_SLOT_CIF(%r10), %rdi
    movq %rsi, %rdx
    movq FS_SLOT_DATA(%r10), %rcx
    jmp *FS_SLOT_HANDLER(%r10)
.endm

.macro fs_scalar class, n, tail
    .balign 64
    FS_FUNC(fs_entry_\class\n\()_\tail)
    .set fs_k, 0
    .if \n == 0 && \tail == FS_TAIL_NONE
    fs_scalar_nothing
    .else
    .ifc \class, g
    subq $SCALAR_G_FRAME, %rsp
    .cfi_adjust_cfa_offset SCALAR_G_FRAME
    fs_spill_g \n
    fs_scalar_clear \tail, 96
    fs_scalar_call 96, 0
    fs_return \tail, 96, SCALAR_G_FRAME
    .else
    subq $SCALAR_V_FRAME, %rsp
    .cfi_adjust_cfa_offset SCALAR_V_FRAME
    fs_spill_v \n
    fs_scalar_clear \tail, 0
    fs_scalar_call 0, 16
    fs_return \tail, 0, SCALAR_V_FRAME
    .endif
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_scalars g, FS_SCALAR_G
    fs_scalars v, FS_SCALAR_V

/* --- the planned frame (arch.h has its offsets, counted from rsp here) ---------------------
 *
 *      rsp+544   the caller's stack arguments
 *      rsp+536   return address
 *      rsp+528   tail
 *      rsp+304   gathered structs, 14 x 16
 *      rsp+144   avalue[20]
 *      rsp+112   result, 32
 *      rsp+48    xmm0 .. xmm7, low halves
 *      rsp       rdi rsi rdx rcx r8 r9
 */
.macro fs_frame_open g, v
    subq $FS_FRAME_SIZE, %rsp
    .cfi_adjust_cfa_offset FS_FRAME_SIZE
    .set fs_k, 0
    .irp r, rdi, rsi, rdx, rcx, r8, r9
    .if fs_k < \g
    movq %\r, FS_FRAME_GPR + 8 * fs_k(%rsp)
    .set fs_k, fs_k + 1
    .endif
    .endr
    .set fs_k, 0
    .irp r, xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7
    .if fs_k < \v
    movlps %\r, FS_FRAME_VEC + 8 * fs_k(%rsp)
    .set fs_k, fs_k + 1
    .endif
    .endr
.endm

/* Four kinds of planned entries, by how the result goes back: u(niform) by FS_TAIL_WORD or _PAIR,
 * m(emory) by FS_TAIL_MEM, x by FS_TAIL_X87X2, d(ispatched) by any other.
 * const fs_planned_<kind>[7][FS_VEC_BUCKETS]: by general registers, then by vector registers; but
 * fs_planned_x[2]: nothing saved, or all. */

/* avalue[i] = the frame + 8 * its word. */
.macro fs_argument i
    movzbl FS_PLAN_BYTES + (\i)(%r10), %ecx
    leaq (%rsp, %rcx, 8), %rcx
    movq %rcx, FS_FRAME_ARGV + 8 * (\i)(%rsp)
.endm

/* Load the result that all four registers may hold, and go. */
.macro fs_return_uniform
    movq FS_FRAME_RET(%rsp), %rax
    movq FS_FRAME_RET + 8(%rsp), %rdx
    movsd FS_FRAME_RET(%rsp), %xmm0
    movsd FS_FRAME_RET + 8(%rsp), %xmm1
    fs_frame_close
.endm

.macro fs_return_frame tail
    fs_load \tail, FS_FRAME_RET
    fs_frame_close
.endm

.macro fs_frame_close
    addq $FS_FRAME_SIZE, %rsp
    .cfi_adjust_cfa_offset -FS_FRAME_SIZE
    ret
    .cfi_adjust_cfa_offset FS_FRAME_SIZE
.endm

/* In: eax = tail * FS_TAIL_SIZE, not 0. The commonest are here, the others are jumped to. */
.macro fs_dispatch
    cmpl $FS_TAIL_S32 * FS_TAIL_SIZE, %eax
    jne 98f
    fs_return_frame FS_TAIL_S32
98: cmpl $FS_TAIL_GV * FS_TAIL_SIZE, %eax
    jne 99f
    fs_return_frame FS_TAIL_GV
99: leaq fs_tails(%rip), %rdx
    leaq -FS_TAIL_SIZE(%rdx, %rax), %rdx
    jmp *%rdx
.endm

/* Call the handler and return its result. */
.macro fs_planned_call kind
    .ifc \kind, m
    movq FS_FRAME_GPR(%rsp), %rsi
    .else
    leaq FS_FRAME_RET(%rsp), %rsi
    xorps %xmm0, %xmm0
    movups %xmm0, FS_FRAME_RET(%rsp)
    .endif
    .ifc \kind, x
    movups %xmm0, FS_FRAME_RET + 16(%rsp)
    .endif
    .ifc \kind, d
    movzwl FS_PLAN_TAIL(%r10), %eax
    movl %eax, FS_FRAME_TAIL(%rsp)
    .endif
    leaq FS_FRAME_ARGV(%rsp), %rdx
    movq FS_SLOT_CIF(%r10), %rdi
    movq FS_SLOT_DATA(%r10), %rcx
    call *FS_SLOT_HANDLER(%r10)
    .ifc \kind, u
    fs_return_uniform
    .endif
    .ifc \kind, m
    movq FS_FRAME_GPR(%rsp), %rax
    fs_frame_close
    .endif
    .ifc \kind, x
    fs_return_frame FS_TAIL_X87X2
    .endif
    .ifc \kind, d
    movl FS_FRAME_TAIL(%rsp), %eax
    fs_dispatch
    .endif
.endm

.macro fs_planned_entry kind, g, v
    .balign 64
    FS_FUNC(fs_entry_plan_\kind\()_\g\()_\v)
    fs_frame_open \g, \v
    fs_argument 0
    fs_argument 1
    cmpw $2, FS_PLAN_NARGS(%r10) /* nargs <= 2 and nothing to gather, which is the high byte */
    ja fs_plan_body_\kind
    fs_planned_call \kind
    FS_END(fs_entry_plan_\kind\()_\g\()_\v)
    fs_is_next_in fs_planned_\kind, fs_entry_plan_\kind\()_\g\()_\v
.endm
.macro fs_planned_entries kind, g
    .irp v, 0, 1, 2, 4, 8
    fs_planned_entry \kind, \g, \v
    .endr
.endm

/* The rest of a planned entry whose signature is longer or has something to gather. In: r10 =
 * closure with a plan in its slot; the frame is open, the registers are saved, avalue[0] and [1]
 * are there. What is written past nargs is not read. */
.macro fs_planned_body kind
    .balign 64
    .type fs_plan_body_\kind, @function
fs_plan_body_\kind:
    .cfi_startproc
    .cfi_def_cfa_offset FS_FRAME_SIZE + 8
    cmpw $6, FS_PLAN_NARGS(%r10) /* as above */
    ja 1f
    .irp i, 2, 3, 4, 5
    fs_argument \i
    .endr
    fs_planned_call \kind
    .balign 32
1:  movzbl FS_PLAN_MORE(%r10), %ecx
    movzbl FS_PLAN_NARGS(%r10), %eax
    testl %ecx, %ecx
    je 3f
    /* scratch[k] = frame word number byte[nargs + k], two at a time from the last */
    leaq FS_PLAN_BYTES(%r10, %rax), %rdx
2:  movzbl -1(%rdx, %rcx), %esi
    movzbl -2(%rdx, %rcx), %edi
    movq (%rsp, %rsi, 8), %rsi
    movq (%rsp, %rdi, 8), %rdi
    movq %rsi, FS_FRAME_SCRATCH - 8(%rsp, %rcx, 8)
    movq %rdi, FS_FRAME_SCRATCH - 16(%rsp, %rcx, 8)
    subl $2, %ecx
    jne 2b
    cmpl $2, %eax
    ja 3f
    fs_planned_call \kind
    .balign 32
3:  .irp i, 2, 3, 4, 5
    fs_argument \i
    .endr
    .set fs_k, 6
    .rept (FS_PLAN_INLINE - 6) / 2
    cmpl $fs_k, %eax
    jbe 4f
    fs_argument fs_k
    fs_argument fs_k + 1
    .set fs_k, fs_k + 2
    .endr
4:  fs_planned_call \kind
    .cfi_endproc
    .size fs_plan_body_\kind, . - fs_plan_body_\kind
.endm

    .irp kind, u, m, d
    fs_table_of_entries fs_planned_\kind
    fs_planned_entries \kind, 0
    fs_planned_entries \kind, 1
    fs_planned_entries \kind, 2
    fs_planned_entries \kind, 3
    fs_planned_entries \kind, 4
    fs_planned_entries \kind, 5
    fs_planned_entries \kind, 6
    fs_planned_body \kind
    .endr
    fs_table_of_entries fs_planned_x
    fs_planned_entry x, 0, 0
    fs_planned_entry x, 6, 8
    fs_planned_body x

/* In: r10 = closure whose plan is a struct fs_long.
 * int fs_plan_run(const struct fs_slot *slot [rdi], struct fs_frame *frame [rsi]) calls the handler
 * and returns what fs_dispatch takes. */
    .balign 16
FS_FUNC(fs_entry_long)
    fs_frame_open 6, 8
    movq %r10, %rdi
    movq %rsp, %rsi
    call fs_plan_run
    testl %eax, %eax
    jg 1f
    fs_return_uniform
1:  fs_dispatch

    .balign FS_TAIL_SIZE
fs_tails:
    .irp tail, FS_TAIL_S32, FS_TAIL_U32, FS_TAIL_S16, FS_TAIL_U16, FS_TAIL_S8, FS_TAIL_U8
    fs_tail \tail
    fs_return_frame \tail
    .endr
    .irp tail, FS_TAIL_GV, FS_TAIL_VG, FS_TAIL_X87, FS_TAIL_X87X2
    fs_tail \tail
    fs_return_frame \tail
    .endr
    fs_tail FS_TAIL_HALVES
    movl FS_FRAME_RET(%rsp), %eax
    movl FS_FRAME_RET + 4(%rsp), %ecx
    movl FS_FRAME_RET + 8(%rsp), %edx
    movl FS_FRAME_RET + 12(%rsp), %esi
    shlq $32, %rcx
    shlq $32, %rsi
    orq %rcx, %rax
    orq %rsi, %rdx
    movq %rax, %xmm0
    movq %rdx, %xmm1
    fs_frame_close
FS_END(fs_entry_long)

FS_ASM_NOTES
