/* SPDX-License-Identifier: MIT */
/* entry.S - ARM: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds: ip = the closure, the caller's arguments in r0-r3, with VFP in d0-d7 as well, and
 * on the stack, lr = the return address, odd if the caller is Thumb. Every entry is ARM code, keeps
 * what AAPCS32 says a callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [r0], void *ret [r1], void **args [r2], void *data [r3])
 *
 * exactly once. Each instruction has a real frame description for a debugger (.debug_frame), and each
 * call one for exceptions (EHABI), whose unwinder restores what .save names and skips what .pad does.
 * What the return needs is taken from the closure *before* the handler runs, because the handler may
 * free it. What *ret holds comes back in registers and is zero before, so that a handler that fails
 * and writes nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that
 * the caller gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * Three kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars: words (g), doubles (v) or floats (f); straight-line code
 *   fs_entry_plan_<class>_<tail>  up to 11 arguments, whose places the slot has; v if some are in VFP
 *                               registers, else g
 *   fs_entry_long               anything else: the same frame; the plan is in memory of its own, and
 *                               what has pieces to gather is walked by C (plan/run.c)
 *
 * What is pushed and popped as one list is one instruction, whatever its length. So results are
 * popped into r0 together with all that lies between them and lr, into registers that a callee may
 * spend.
 */
#include "arch.h"
FS_ASM_BEGIN
#include "arch/entry.h"

/* Lists of registers whose length is counted are bits: register n is bit n. */
#define FIRST(n) ((1 << (n)) - 1)
#define IP_BIT (1 << 12)
#define LR_BIT (1 << 14)
#define PC_BIT (1 << 15)

.macro fs_push bits
    .inst 0xe92d0000 | (\bits)
.endm
.macro fs_pop bits
    .inst 0xe8bd0000 | (\bits)
.endm
/* vpush {s0 ...}, n of them; vpush {d0 ...} */
.macro fs_push_singles n
    .inst 0xed2d0a00 | (\n)
.endm
.macro fs_push_doubles n
    .inst 0xed2d0b00 | (2 * (\n))
.endm

/* The stack was moved down for what nobody restores. */
.macro fs_padded bytes
    .if \bytes
    .pad #(\bytes)
    .cfi_adjust_cfa_offset \bytes
    .endif
.endm

/* In: ip = the closure, r1 and r2 as the handler wants them. */
.macro fs_call_handler
    ldr r0, [ip, #FS_SLOT_CIF]
    ldr r3, [ip, #FS_SLOT_DATA]
    ldr ip, [ip, #FS_SLOT_HANDLER]
    blx ip
.endm

/* What floating results are in, besides r0 and r1; the register that the caller does not look at may
 * hold anything. */
.macro fs_load_floating tail, base, at
#ifdef __ARM_PCS_VFP
    .if \tail == FS_TAIL_WORD
    vldr d0, [\base, #\at]
    .elseif \tail == FS_TAIL_U32
    vldr s0, [\base, #\at]
    .endif
#endif
.endm

/* A result that is narrower than a register; `at` is where, as the instruction has it. */
.macro fs_load_narrow tail, at:vararg
    .if \tail == FS_TAIL_S16
    ldrsh r0, \at
    .elseif \tail == FS_TAIL_U16
    ldrh r0, \at
    .elseif \tail == FS_TAIL_S8
    ldrsb r0, \at
    .elseif \tail == FS_TAIL_U8
    ldrb r0, \at
    .else
    .error "fs_load_narrow does not know this tail"
    .endif
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *          the caller's stack arguments, of which the class g may have some
 *          lr
 *          (a word, where the sum would not be a multiple of 8, or doubles would not lie at one)
 *          saved registers: n words or doubles, of the class g at most 4 words
 *          (a word, where the sum would not be a multiple of 8 below doubles)
 *          avalue, n words
 *      sp  result, 1 or 2 words
 *
 * In words: fs_odd, fs_saved, fs_even, fs_ret, and fs_below_lr for all of it. fs_step is from one
 * argument to the next. fs_low: so many words of avalue are pushed together with the result, the
 * others before. */
.macro fs_scalar_frame class, n, tail
    .set fs_step, 4
    .set fs_saved, \n
    .ifc \class, v
    .set fs_step, 8
    .set fs_saved, 2 * \n
    .endif
    .ifc \class, g
    .if \n > 4
    .set fs_saved, 4
    .endif
    .endif
    .set fs_ret, 1
    .if \tail == FS_TAIL_WORD
    .set fs_ret, 2
    .endif
    .set fs_low, 4
    .set fs_even, 0
    .set fs_odd, (1 + fs_saved + \n + fs_ret) & 1
    .ifc \class, v
    .if \n
    .set fs_odd, 1
    .set fs_even, (\n + fs_ret) & 1
    .endif
    .if \n == 4 && fs_even
    .set fs_low, 3
    .endif
    .endif
    .set fs_below_lr, fs_odd + fs_saved + fs_even + \n + fs_ret
.endm

/* Save lr and, below it, words: of `bits` and, if there is one more, ip. */
.macro fs_save_lr bits, words
    fs_push (\bits) | fs_odd * IP_BIT | LR_BIT
    .save {lr}
    .cfi_adjust_cfa_offset 4
    .cfi_offset lr, -4
    fs_padded 4 * (\words + fs_odd)
.endm

.macro fs_scalar_save class, n
    .ifc \class, g
    fs_save_lr FIRST(fs_saved), fs_saved
    .else
    fs_save_lr 0, 0
    .ifc \class, f
    fs_push_singles \n
    .else
    fs_push_doubles \n
    .endif
    fs_padded 4 * fs_saved
    .endif
    .set fs_down, 0 /* from sp to the first saved argument */
.endm

/* r = the address of argument k. */
.macro fs_scalar_address r, class, k
    .set fs_at, fs_down + fs_step * \k
    .ifc \class, g
    .if \k >= 4
    .set fs_at, fs_down + 4 * (fs_saved + fs_odd + 1 + \k - 4)
    .endif
    .endif
    add \r, sp, #fs_at
.endm

/* avalue, from its end, and the result's room. */
.macro fs_scalar_arguments class, n, tail
    .if \n > fs_low
    .set fs_k, fs_low
    .irp r, r0, r1, r2, r3
    .if fs_k < \n
    fs_scalar_address \r, \class, fs_k
    .set fs_k, fs_k + 1
    .endif
    .endr
    fs_push FIRST(\n - fs_low) | fs_even * IP_BIT
    fs_padded 4 * (\n - fs_low + fs_even)
    .set fs_down, fs_down + 4 * (\n - fs_low + fs_even)
    .set fs_even, 0 /* is done */
    .endif
    .set fs_k, 0
    .set fs_bits, 1 | fs_even * IP_BIT
    .irp r, r1, r2, r3, lr
    .if fs_k < \n && fs_k < fs_low
    fs_scalar_address \r, \class, fs_k
    .set fs_k, fs_k + 1
    .if fs_k < 4
    .set fs_bits, fs_bits | 1 << fs_k
    .else
    .set fs_bits, fs_bits | LR_BIT
    .endif
    .endif
    .endr
    .if \tail != FS_TAIL_NONE
    mov r0, #0
    .endif
    fs_push fs_bits
    fs_padded 4 * (fs_k + 1 + fs_even)
    .if fs_ret == 2
    fs_push FIRST(1)
    fs_padded 4
    .endif
.endm

/* No argument: nothing but lr and the result. */
.macro fs_scalar_none tail
    mov r0, #0
    .if fs_ret == 2
    mov r1, #0
    .endif
    fs_save_lr FIRST(fs_ret), fs_ret
.endm

/* Up to lr, and return. A short way is popped with the result; a long one is not. */
.macro fs_scalar_return tail
    fs_load_floating \tail, sp, 0
    .if \tail >= FS_TAIL_S16 && \tail <= FS_TAIL_U8
    fs_load_narrow \tail, [sp], #4 * fs_below_lr
    .elseif fs_below_lr <= 4
    fs_pop FIRST(fs_below_lr) | PC_BIT
    .elseif fs_below_lr == 5
    fs_pop FIRST(4) | IP_BIT | PC_BIT
    .elseif \tail == FS_TAIL_WORD
    ldr r1, [sp, #4]
    ldr r0, [sp], #4 * fs_below_lr
    .elseif \tail == FS_TAIL_U32
    ldr r0, [sp], #4 * fs_below_lr
    .else
    add sp, sp, #4 * fs_below_lr
    .endif
    .if fs_below_lr > 5 || \tail >= FS_TAIL_S16 && \tail <= FS_TAIL_U8
    .cfi_adjust_cfa_offset -4 * fs_below_lr
    fs_pop PC_BIT
    .endif
.endm

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing
    ldr r1, 2f
    ldr r0, [ip, #FS_SLOT_CIF]
1:  add r1, pc, r1
    ldr r3, [ip, #FS_SLOT_DATA]
    mov r2, r1
    ldr pc, [ip, #FS_SLOT_HANDLER]
2:  .word fs_nothing - (1b + 8)
.endm

.macro fs_scalar_something class, n, tail
    fs_scalar_frame \class, \n, \tail
    .if \n
    fs_scalar_save \class, \n
    fs_scalar_arguments \class, \n, \tail
    .else
    fs_scalar_none \tail
    .endif
    mov r1, sp
    add r2, sp, #4 * fs_ret
    fs_call_handler
    fs_scalar_return \tail
.endm

.macro fs_scalar class, n, tail
    .balign 16
    FS_CODE(fs_entry_\class\n\()_\tail)
    .if \n == 0 && \tail == FS_TAIL_NONE
    fs_scalar_nothing
    .else
    fs_scalar_something \class, \n, \tail
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_scalars g, FS_SCALAR_G
#ifdef __ARM_PCS_VFP
    fs_scalars v, FS_SCALAR_V
    fs_scalars f, FS_SCALAR_F
#endif

/* --- the planned frame (arch.h has its offsets, counted from r7) ------------------------------
 *
 *          the caller's stack arguments
 *          r0 .. r3
 *      r7  s0 .. s15, where there are such
 *          r4 .. r8, lr
 *          result, 8 bytes; of FS_TAIL_PAIR and of fs_entry_long FS_FRAME_RET_SIZE
 *      sp  avalue[], as long as it must be
 */
/* Out: r7, and r4 .. r6, r8 to be used. */
.macro fs_frame_open class
    push {r0-r3}
    fs_padded 16
    .if FS_FRAME_GPR
    .ifc \class, v
    fs_push_doubles 8
    .else
    sub sp, sp, #FS_FRAME_GPR
    .endif
    fs_padded FS_FRAME_GPR
    .endif
    push {r4-r8, lr}
    .save {r4-r8, lr}
    .cfi_adjust_cfa_offset FS_FRAME_SAVED
    fs_saved_are_at_sp
    add r7, sp, #FS_FRAME_SAVED
    .setfp r7, sp, #FS_FRAME_SAVED
    .cfi_def_cfa r7, FS_FRAME_STACK
.endm

.macro fs_saved_are_at_sp
    .cfi_rel_offset r4, 0
    .cfi_rel_offset r5, 4
    .cfi_rel_offset r6, 8
    .cfi_rel_offset r7, 12
    .cfi_rel_offset r8, 16
    .cfi_rel_offset lr, 20
.endm

/* Inside of a function whose frame another one has opened. */
.macro fs_frame_is_open
    .pad #FS_FRAME_STACK
    .save {r4-r8, lr}
    .setfp r7, sp, #FS_FRAME_SAVED
    .cfi_def_cfa sp, FS_FRAME_STACK + FS_FRAME_SAVED
    fs_saved_are_at_sp
    .cfi_def_cfa r7, FS_FRAME_STACK
.endm

/* sp is `below` under what was saved: restore that and return, r0 and r1 popped before if `below` is
 * theirs. */
.macro fs_frame_close below
    .cfi_remember_state
    .cfi_def_cfa sp, FS_FRAME_STACK + FS_FRAME_SAVED + \below
    .if \below == 8
    pop {r0, r1, r4-r8, lr}
    .else
    pop {r4-r8, lr}
    .endif
    .cfi_def_cfa_offset FS_FRAME_STACK
    .irp r, r4, r5, r6, r7, r8, lr
    .cfi_restore \r
    .endr
    add sp, sp, #FS_FRAME_STACK
    .cfi_def_cfa_offset 0
    bx lr
    .cfi_restore_state
.endm

/* The result's room, zero where the result is in registers. Out: r1 = what the handler gets. */
.macro fs_planned_room tail
    .if \tail == FS_TAIL_MEM
    push {r0, r1} /* and what goes back */
    mov r1, r0
    .elseif \tail == FS_TAIL_PAIR
    fs_push_zeros
    mov r1, sp
    .else
    .if \tail != FS_TAIL_NONE
    mov r0, #0
    .endif
    .if \tail == FS_TAIL_WORD
    mov r1, #0
    .endif
    push {r0, r1}
    mov r1, sp
    .endif
.endm

/* FS_FRAME_RET_SIZE. */
.macro fs_push_zeros
    mov r0, #0
    mov r1, #0
    .if FS_FRAME_RET_SIZE > 8
    mov r2, #0
    mov r3, #0
    push {r0-r3}
    push {r0-r3}
    .else
    push {r0, r1}
    .endif
.endm

/* r = place number i of the word w, times FS_PLAN_UNIT, in the frame. r6 = a field's bits. */
.macro fs_place r, w, i
    .if \i
    and \r, r6, \w, lsr #(FS_PLAN_FIELD * (\i) - 2)
    .else
    and \r, r6, \w, lsl #2
    .endif
    add \r, r7, \r
.endm
.macro fs_two_places w, i
    fs_place r2, \w, \i
    fs_place r3, \w, \i + 1
    push {r2, r3}
.endm
.macro fs_four_places w, i
    fs_place r2, \w, \i
    fs_place r3, \w, \i + 1
    fs_place r8, \w, \i + 2
    fs_place lr, \w, \i + 3
    push {r2, r3, r8, lr}
.endm

/* Call the handler and return its result. */
.macro fs_planned_call tail
    mov r2, sp
    fs_call_handler
    .if \tail == FS_TAIL_PAIR
    fs_planned_return_pair
    .elseif \tail >= FS_TAIL_S16 && \tail <= FS_TAIL_U8
    fs_load_narrow \tail, [r7, #-FS_FRAME_SAVED - 8]
    sub sp, r7, #FS_FRAME_SAVED
    fs_frame_close 0
    .else
    sub sp, r7, #FS_FRAME_SAVED + 8
    fs_load_floating \tail, sp, 0
    fs_frame_close 8
    .endif
.endm

.macro fs_planned_return_pair
#ifdef __ARM_PCS_VFP
    sub sp, r7, #FS_FRAME_SAVED + FS_FRAME_RET_SIZE
    vpop {d0-d3}
    fs_frame_close 0
#else
    FS_TRAP /* no aggregate is in such registers */
#endif
.endm

/* What is written past nargs is not read. Of word 0, the bits behind the last place are no place. */
#define NARGS(n) ((n) << FS_PLAN_NARGS_BIT)

.macro fs_planned_entry class, tail
    .balign 32
    FS_CODE(fs_entry_plan_\class\()_\tail)
    fs_frame_open \class
    ldmib ip, {r4, r5} /* words 0 and 1 */
    mov r6, #((1 << FS_PLAN_FIELD) - 1) << 2
    fs_planned_room \tail
    cmp r4, #NARGS(3)
    bhs fs_plan_body_\tail
    fs_two_places r5, 0
    fs_planned_call \tail
    FS_END(fs_entry_plan_\class\()_\tail)
    fs_is_next_in fs_planned_\class, fs_entry_plan_\class\()_\tail
.endm

/* The rest of a planned entry whose signature is longer. In: ip = closure, r4 and r5 = its plan, r6 =
 * a field's bits, r1 = the result's room; the frame is open. */
.macro fs_planned_body tail
    .balign 32
    FS_CODE(fs_plan_body_\tail)
    fs_frame_is_open
    cmp r4, #NARGS(7)
    blo 1f
    fs_two_places r4, 4
    fs_four_places r4, 0
1:  fs_two_places r5, 4
    fs_four_places r5, 0
    fs_planned_call \tail
    FS_END(fs_plan_body_\tail)
.endm

.macro fs_planned_entries class
    fs_table_of_entries fs_planned_\class
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8
    fs_planned_entry \class, \tail
    .endr
.endm

    fs_planned_entries g
#ifdef __ARM_PCS_VFP
    fs_planned_entries v
#endif
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8
    fs_planned_body \tail
    .endr

/* --- long signatures ------------------------------------------------------------------------
 *
 * In: ip = closure whose plan is a struct fs_long. */
    .balign 32
FS_CODE(fs_entry_long)
    fs_frame_open v
    ldr r8, [ip, #FS_SLOT_PLAN]
    fs_push_zeros
    ldr r3, [r8, #FS_LONG_PIECES]
    ldr r2, [r8, #FS_LONG_NARGS]
    cmp r3, #0
    bne 3f
    ldrsh r4, [r8, #FS_LONG_TAIL]
    mov r1, sp
    cmp r4, #0
    ldrlt r1, [r7, #FS_FRAME_SRET]
    /* Places, from the last step to the first: r3 = the first, r2 = behind the next. */
    add r3, r8, #FS_LONG_WORDS
    add r2, r2, #3
    bic r2, r2, #3
    add r2, r3, r2, lsl #2
1:  ldmdb r2!, {r0, r5, r6, lr}
    add r0, r7, r0
    add r5, r7, r5
    add r6, r7, r6
    add lr, r7, lr
    cmp r2, r3
    push {r0, r5, r6, lr}
    bne 1b
    mov r2, sp
    fs_call_handler
2:  sub sp, r7, #FS_FRAME_SAVED + FS_FRAME_RET_SIZE
#ifdef __ARM_PCS_VFP
    vldmia sp, {d0-d3}
#endif
    pop {r0, r1}
    cmp r4, #0
    ldrlt r0, [r7, #FS_FRAME_SRET]
    ble 4f
    tst r4, #256
    lsl r0, r0, r4 /* by its lowest byte */
    lsreq r0, r0, r4
    asrne r0, r0, r4
4:  sub sp, r7, #FS_FRAME_SAVED
    fs_frame_close 0
    /* int fs_plan_run(const struct fs_slot *slot [r0], struct fs_frame *frame [r1]) calls the handler
     * and returns the tail's code. */
3:  mov r0, ip
    mov r1, r7
    bl fs_plan_run
    mov r4, r0
    b 2b
FS_END(fs_entry_long)

FS_ASM_NOTES
