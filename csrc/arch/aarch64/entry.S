/* SPDX-License-Identifier: MIT */
/* entry.S - AArch64: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds: x17 = the closure, the caller's arguments in x0-x7, v0-v7 and on the stack, x8 =
 * where a result in memory goes, x30 = the return address. Every entry keeps what AAPCS64 says a
 * callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [x0], void *ret [x1], void **args [x2], void *data [x3])
 *
 * exactly once, with real frame descriptions: an exception may pass, a debugger may look. What the
 * return needs is taken from the closure *before* the handler runs, because the handler may free it.
 * What *ret holds comes back in registers and is zero before, so that a handler that fails and writes
 * nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that the caller
 * gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * A return address that is saved is signed (PACIASP, with sp at entry), which is a landing pad as
 * well (BTI c). Processors without either run a nop.
 *
 * Four kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars of one register class; straight-line code
 *   fs_entry_one_<shape>_<tail>  one argument of any kind; the same
 *   fs_entry_plan_<kind>_<g>_<v>  up to 12 arguments, walked from the slot, after saving the
 *                               registers that carry arguments
 *   fs_entry_long               anything else: the same frame; the plan is in memory of its own, and
 *                               what has pieces to gather is walked by C (plan/run.c)
 */
#include "arch.h"
#define FS_TAIL_LANDING hint 36 /* bti j */
#define FS_TAIL_FILL 0          /* udf */
#include "arch/entry.h"

#define PACIASP hint 25
#define AUTIASP hint 29

.macro fs_enter_frame size
    PACIASP
    .cfi_negate_ra_state
    stp x29, x30, [sp, -\size]!
    .cfi_adjust_cfa_offset \size
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x29, sp
.endm

.macro fs_leave_frame size
    .cfi_remember_state
    ldp x29, x30, [sp], \size
    .cfi_adjust_cfa_offset -\size
    .cfi_restore x29
    .cfi_restore x30
    AUTIASP
    .cfi_negate_ra_state
    ret
    .cfi_restore_state
.endm

/* Load the result, which is at `at` from sp, the way that FS_TAIL_<tail> says. The register that the
 * caller does not look at may hold anything. */
.macro fs_load tail, at
    .if \tail == FS_TAIL_WORD
    ldr x0, [sp, \at]
    ldr d0, [sp, \at]
    .elseif \tail == FS_TAIL_S32
    ldrsw x0, [sp, \at]
    .elseif \tail == FS_TAIL_U32
    ldr w0, [sp, \at]
    ldr s0, [sp, \at]
    .elseif \tail == FS_TAIL_S16
    ldrsh x0, [sp, \at]
    .elseif \tail == FS_TAIL_U16
    ldrh w0, [sp, \at]
    .elseif \tail == FS_TAIL_S8
    ldrsb x0, [sp, \at]
    .elseif \tail == FS_TAIL_U8
    ldrb w0, [sp, \at]
    .elseif \tail == FS_TAIL_PAIR
    ldp x0, x1, [sp, \at]
    .elseif \tail == FS_TAIL_PAIR_D
    ldp d0, d1, [sp, \at]
    ldp d2, d3, [sp, \at + 16]
    .elseif \tail == FS_TAIL_FLOATS
    ldp s0, s1, [sp, \at]
    ldp s2, s3, [sp, \at + 8]
    .elseif \tail == FS_TAIL_QUADS
    ldp q0, q1, [sp, \at]
    ldp q2, q3, [sp, \at + 32]
    .elseif \tail != FS_TAIL_NONE
    .error "fs_load does not know this tail"
    .endif
.endm

/* Save the first n registers called r (x, s, d or q) at `at` from sp, `step` bytes each. */
.macro fs_save_two r, k, next, n, at, step
    .if \next < \n
    stp \r\k, \r\next, [sp, \at + \step * \k]
    .elseif \k < \n
    str \r\k, [sp, \at + \step * \k]
    .endif
.endm
.macro fs_save r, n, at, step
    fs_save_two \r, 0, 1, \n, \at, \step
    fs_save_two \r, 2, 3, \n, \at, \step
    fs_save_two \r, 4, 5, \n, \at, \step
    fs_save_two \r, 6, 7, \n, \at, \step
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *      sp+96    avalue, 8 x 8; behind an odd number of arguments the result, so that one STP
 *               writes the last of them and a zero
 *      sp+32    saved registers, 8 x 8
 *      sp+16    result, 8 (+8)
 *      sp       x29, x30
 */
#define SCALAR_FRAME 160
#define SCALAR_RET 16
#define SCALAR_SAVED 32
#define SCALAR_ARGV 96

/* Out: fs_ret, where the result is, which is zero. */
.macro fs_scalar_arguments n, tail
    .set fs_ret, SCALAR_RET
    .irp k, 0, 2, 4, 6
    .if \k < \n
    add x9, sp, SCALAR_SAVED + 8 * \k
    .if \k + 1 < \n
    add x10, sp, SCALAR_SAVED + 8 * \k + 8
    stp x9, x10, [sp, SCALAR_ARGV + 8 * \k]
    .else
    stp x9, xzr, [sp, SCALAR_ARGV + 8 * \k]
    .set fs_ret, SCALAR_ARGV + 8 * \n
    .endif
    .endif
    .endr
    .if fs_ret == SCALAR_RET && \tail != FS_TAIL_NONE
    str xzr, [sp, SCALAR_RET]
    .endif
.endm

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing
    FS_LANDING
    ldp x0, x16, [x17, FS_SLOT_CIF] /* and the handler */
    adrp x1, fs_nothing
    ldr x3, [x17, FS_SLOT_DATA]
    add x1, x1, :lo12:fs_nothing
    mov x2, x1
    br x16
.endm

.macro fs_scalar_something class, n, tail
    fs_enter_frame SCALAR_FRAME
    .ifc \class, g
    fs_save x, \n, SCALAR_SAVED, 8
    .else
    fs_save d, \n, SCALAR_SAVED, 8
    .endif
    fs_scalar_arguments \n, \tail
    ldp x0, x9, [x17, FS_SLOT_CIF]
    ldr x3, [x17, FS_SLOT_DATA]
    add x1, sp, fs_ret
    add x2, sp, SCALAR_ARGV
    blr x9
    fs_load \tail, fs_ret
    fs_leave_frame SCALAR_FRAME
.endm

.macro fs_scalar class, n, tail
    .balign 64
    FS_CODE(fs_entry_\class\n\()_\tail)
    .if \n == 0 && \tail == FS_TAIL_NONE
    fs_scalar_nothing
    .else
    fs_scalar_something \class, \n, \tail
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_scalars g, FS_SCALAR_G
    fs_scalars v, FS_SCALAR_V

#include "entry_one.h"

/* --- the planned frame (arch.h has its offsets) ---------------------------------------------
 *
 *      sp+384    the caller's stack arguments
 *      sp+288    avalue[12]
 *      sp+224    result, 64
 *      sp+96     s0 .. s7, 4 apart; d0 .. d7, 8 apart; or q0 .. q7, 16 apart
 *      sp+88     tail
 *      sp+80     x8
 *      sp+16     x0 .. x7
 *      sp        x29, x30
 */

/* Inside of a function whose frame another one has opened. */
.macro fs_frame_is_open
    .cfi_negate_ra_state
    .cfi_def_cfa_offset FS_FRAME_SIZE
    .cfi_rel_offset x29, FS_FRAME_LINK
    .cfi_rel_offset x30, FS_FRAME_LINK + 8
.endm

/* Four kinds, by how the result goes back: u(niform) by FS_TAIL_WORD, _PAIR, _PAIR_D or not at all,
 * m(emory) by FS_TAIL_MEM, q by FS_TAIL_QUADS, d(ispatched) by any other.
 * const fs_planned_<kind>[FS_GPR_BUCKETS][FS_VEC_BUCKETS], fs_planned_q[FS_GPR_BUCKETS].
 *
 * avalue[i] and avalue[i + 1] = the frame + FS_PLAN_UNIT * their bytes. */
.macro fs_arguments i
    ldrb w9, [x17, FS_PLAN_BYTES + \i]
    ldrb w10, [x17, FS_PLAN_BYTES + \i + 1]
    add x9, sp, x9, lsl 2
    add x10, sp, x10, lsl 2
    stp x9, x10, [sp, FS_FRAME_ARGV + 8 * \i]
.endm

/* In: w9 = tail * FS_TAIL_SIZE, not 0. The commonest is here, the others are jumped to. */
.macro fs_dispatch
    cmp w9, FS_TAIL_S32 * FS_TAIL_SIZE
    b.ne 99f
    fs_load FS_TAIL_S32, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
99: adrp x16, fs_tails - FS_TAIL_SIZE
    add x16, x16, :lo12:(fs_tails - FS_TAIL_SIZE)
    add x16, x16, x9
    br x16
.endm

.macro fs_clear_result bytes
    .if \bytes == 16
    stp xzr, xzr, [sp, FS_FRAME_RET]
    .else
    movi v0.2d, 0
    stp q0, q0, [sp, FS_FRAME_RET]
    .endif
    .if \bytes > 32
    stp q0, q0, [sp, FS_FRAME_RET + 32]
    .endif
.endm

.macro fs_load_uniform
    fs_load FS_TAIL_PAIR, FS_FRAME_RET
    fs_load FS_TAIL_PAIR_D, FS_FRAME_RET
.endm

/* Call the handler and return its result. */
.macro fs_planned_call kind
    .ifc \kind, m
    mov x1, x8
    .else
    add x1, sp, FS_FRAME_RET
    .endif
    .ifc \kind, u
    fs_clear_result 32
    .endif
    .ifc \kind, q
    fs_clear_result 64
    .endif
    .ifc \kind, d
    fs_clear_result 16
    ldrh w10, [x17, FS_PLAN_TAIL]
    str w10, [sp, FS_FRAME_TAIL]
    .endif
    ldp x0, x9, [x17, FS_SLOT_CIF]
    ldr x3, [x17, FS_SLOT_DATA]
    add x2, sp, FS_FRAME_ARGV
    blr x9
    .ifc \kind, u
    fs_load_uniform
    .endif
    .ifc \kind, q
    fs_load FS_TAIL_QUADS, FS_FRAME_RET
    .endif
    .ifc \kind, d
    ldr w9, [sp, FS_FRAME_TAIL]
    fs_dispatch
    .else
    fs_leave_frame FS_FRAME_SIZE
    .endif
.endm

/* v: how many vector registers are saved as doubles; s: 8 as floats; q: 8 whole. */
.macro fs_planned_entry kind, g, v
    .balign 64
    FS_CODE(fs_entry_plan_\kind\()_\g\()_\v)
    fs_enter_frame FS_FRAME_SIZE
    fs_save x, \g, FS_FRAME_GPR, 8
    .ifc \v, s
    fs_save s, 8, FS_FRAME_VEC, 4
    .else
    .ifc \v, q
    fs_save q, 8, FS_FRAME_VEC, 16
    .else
    fs_save d, \v, FS_FRAME_VEC, 8
    .endif
    .endif
    ldrh w11, [x17, FS_PLAN_NARGS]
    fs_arguments 0
    cmp w11, 2 /* nargs <= 2 and none by reference, which is the high byte */
    b.hi fs_plan_body_\kind
    fs_planned_call \kind
    FS_END(fs_entry_plan_\kind\()_\g\()_\v)
    fs_is_next_in fs_planned_\kind, fs_entry_plan_\kind\()_\g\()_\v
.endm
.macro fs_planned_entries kind, g
    .ifc \kind, q
    fs_planned_entry \kind, \g, q
    .else
    .irp v, 0, 2, 4, 8, s, q
    fs_planned_entry \kind, \g, \v
    .endr
    .endif
.endm

/* The rest of a planned entry whose signature is longer or has something by reference. In: x17 =
 * closure with a plan in its slot, w11 = nargs and `more`; the frame is open, the registers are
 * saved, avalue[0] and [1] are there. What is written past nargs is not read. */
.macro fs_planned_body kind
    .balign 64
    .type fs_plan_body_\kind, %function
fs_plan_body_\kind:
    .cfi_startproc
    fs_frame_is_open
    cmp w11, 6 /* as above */
    b.hi 1f
    fs_arguments 2
    fs_arguments 4
    fs_planned_call \kind
    .balign 32
1:  and w12, w11, 0xff
    lsr w13, w11, 8
    cmp w12, 2
    b.ls 3f
    .irp i, 2, 4, 6, 8, 10
    fs_arguments \i
    .endr
    cbz w13, 5f
    /* avalue[k] = *avalue[k] for every k in bytes[nargs ...] */
3:  add x11, x17, FS_PLAN_BYTES
    add x11, x11, x12
    add x12, sp, FS_FRAME_ARGV
4:  ldrb w9, [x11], 1
    ldr x10, [x12, x9, lsl 3]
    ldr x10, [x10]
    str x10, [x12, x9, lsl 3]
    subs w13, w13, 1
    b.ne 4b
5:  fs_planned_call \kind
    .cfi_endproc
    .size fs_plan_body_\kind, . - fs_plan_body_\kind
.endm

    .irp kind, u, m, d, q
    fs_table_of_entries fs_planned_\kind
    fs_planned_entries \kind, 0
    fs_planned_entries \kind, 2
    fs_planned_entries \kind, 4
    fs_planned_entries \kind, 6
    fs_planned_entries \kind, 8
    fs_planned_body \kind
    .endr

/* --- long signatures: avalue is as long as it must be, below the frame -------------------------
 *
 *      x29      the planned frame
 *      sp       avalue[], FS_LONG_STEP at a time
 *
 * In: x17 = closure whose plan is a struct fs_long. The frame is found by x29. */
    .balign 64
FS_CODE(fs_entry_long)
    fs_enter_frame FS_FRAME_SIZE
    ldr x11, [x17, FS_SLOT_PLAN]
    fs_save x, 8, FS_FRAME_GPR, 8
    ldrh w14, [x11, FS_LONG_STRIDE]
    str x8, [sp, FS_FRAME_SRET]
    cbz w14, 3f
    tbnz w14, 4, 1f
    tbnz w14, 2, 2f
    fs_save d, 8, FS_FRAME_VEC, 8
    b 3f
1:  fs_save q, 8, FS_FRAME_VEC, 16
    b 3f
2:  fs_save s, 8, FS_FRAME_VEC, 4
3:  ldr w14, [x11, FS_LONG_PIECES]
    ldp w12, w13, [x11, FS_LONG_NARGS] /* and the references */
    cbnz w14, 8f
    ldrsh w15, [x11, FS_LONG_TAIL]
    add x11, x11, FS_LONG_WORDS
    fs_clear_result 64
    str w15, [sp, FS_FRAME_TAIL]
    .cfi_def_cfa x29, FS_FRAME_SIZE
    /* Places, from the last step to the first, so that the stack is touched downwards. */
    add w12, w12, 3
    and w12, w12, -4
    add x11, x11, x12, lsl 2
    mov x14, x11 /* the references begin there */
    sub x9, x29, x12, lsl 3
4:  ldp w6, w7, [x11, -8]
    ldp w4, w5, [x11, -16]!
    add x4, x29, x4
    add x5, x29, x5
    add x6, x29, x6
    add x7, x29, x7
    sub sp, sp, 32
    stp x6, x7, [sp, 16]
    stp x4, x5, [sp]
    cmp sp, x9
    b.ne 4b
    cbz w13, 6f
5:  ldr w9, [x14], 4
    ldr x10, [sp, x9, lsl 3]
    ldr x10, [x10]
    str x10, [sp, x9, lsl 3]
    subs w13, w13, 1
    b.ne 5b
6:  ldp x0, x9, [x17, FS_SLOT_CIF]
    ldr x3, [x17, FS_SLOT_DATA]
    add x1, x29, FS_FRAME_RET
    cmp w15, 0
    csel x1, x8, x1, lt
    mov x2, sp
    blr x9
    mov sp, x29
    .cfi_def_cfa sp, FS_FRAME_SIZE
    ldr w9, [sp, FS_FRAME_TAIL]
7:  cmp w9, 0
    b.gt 9f
    fs_load_uniform
    fs_leave_frame FS_FRAME_SIZE
    /* int fs_plan_run(const struct fs_slot *slot [x0], struct fs_frame *frame [x1]) calls the handler
     * and returns what fs_dispatch takes. */
8:  mov x0, x17
    mov x1, sp
    bl fs_plan_run
    mov w9, w0
    b 7b
9:  fs_dispatch
FS_END(fs_entry_long)

    .balign FS_TAIL_SIZE
    .type fs_tails, %function
fs_tails:
    .cfi_startproc
    fs_frame_is_open
    .irp tail, 1, 2, 3, 4, 5, 6, 8, 9
    fs_tail \tail
    fs_load \tail, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
    .endr
    .org fs_tails + FS_TAIL_QUADS * FS_TAIL_SIZE, FS_TAIL_FILL
    .cfi_endproc
    .size fs_tails, . - fs_tails

FS_ASM_NOTES
