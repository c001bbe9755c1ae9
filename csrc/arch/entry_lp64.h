/* SPDX-License-Identifier: MIT */
/* entry_lp64.h - RISC-V and LoongArch: from a C call to handler(cif, ret, args, data), and back
 *
 * Not a header for C. entry.S of either consists of this, after its ops.h, which has the names of
 * registers and instructions: R(a0), LD(register, offset, base). SLOT is R of arch.h; BASE and T0
 * to T4 are temporaries that no argument is in; a4 to a7 are used as such, too, after they were
 * saved.
 *
 * Every entry finds: SLOT = the closure, the caller's arguments in a0-a7, fa0-fa7 and on the stack,
 * ra = the return address. Every entry keeps what the psABI says a callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [a0], void *ret [a1], void **args [a2], void *data [a3])
 *
 * exactly once, with real frame descriptions: an exception may pass, a debugger may look. What the
 * return needs is taken from the closure *before* the handler runs, because the handler may free
 * it. What *ret holds comes back in registers and is zero before, so that a handler that fails and
 * writes nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that
 * the caller gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * Six kinds, chosen when the closure is prepared (abi_lp64.h):
 *   fs_entry_<class><n>_<tail>  n scalars of one register class; straight-line code
 *   fs_entry_mixed              a few scalars of both classes; the same
 *   fs_entry_one_<shape>_<tail>  one argument of any kind; the same
 *   fs_entry_words              more integers than there are registers for; the same
 *   fs_entry_plan_<kind>_<g>_<v>  up to 12 arguments, walked from the slot, after saving g general
 *                               and v vector registers
 *   fs_entry_long               anything else: the same frame; the plan is in memory of its own,
 * and what has pieces to gather is walked by C (plan/run.c)
 */
#define FS_TAIL_LANDING FS_LANDING
#define FS_TAIL_FILL 0 /* no instruction */
#include "arch/entry.h"

/* clang-format off */
/* Floating-point registers, as far as arguments are in them: FSAVE stores FS_FLEN bytes. */
#if FS_FLEN == 8
#define FSAVE(r, at, base) FSD(r, at, base)
#elif FS_FLEN == 4
#define FSAVE(r, at, base) FSW(r, at, base)
#endif

/* Nothing but the return address is kept; `link` is where, from sp. */
.macro fs_enter_frame size, link
    ADDI(SP, SP, -\size)
    .cfi_def_cfa_offset \size
    SD(RA, \link, SP)
    PUSH_RA
    .cfi_offset FS_DWARF_RA, \link - \size
.endm

.macro fs_leave_frame size, link
    .cfi_remember_state
    LD(RA, \link, SP)
    .cfi_restore FS_DWARF_RA
    ADDI(SP, SP, \size)
    .cfi_def_cfa_offset 0
    POP_RA
    RET
    .cfi_restore_state
.endm

#include "arch/load_lp64.h"

/* Save the first n argument registers at `at` from sp, 8 bytes each. */
.macro fs_save_g n, at
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7
    .if \k < \n
    SD(R(a\k), (\at + 8 * \k), SP)
    .endif
    .endr
.endm
.macro fs_save_v n, at
#if FS_FLEN
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7
    .if \k < \n
    FSAVE(R(fa\k), (\at + 8 * \k), SP)
    .endif
    .endr
#endif
.endm

.macro fs_clear at, bytes
    .irp k, 0, 8, 16, 24, 32, 40, 48, 56
    .if \k < \bytes
    SD(ZERO, (\at + \k), SP)
    .endif
    .endr
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *      sp+152   (alignment)
 *      sp+144   ra
 *      sp+128   result, 8 (+8)
 *      sp+64    avalue, 8 x 8
 *      sp       saved registers, 8 x 8: sp is the first argument's address
 */
#define SCALAR_FRAME 160
#define SCALAR_ARGV 64
#define SCALAR_RET 128
#define SCALAR_RA 144

.macro fs_scalar_arguments n
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7
    .if \k == 0 && \n > 0
    SD(SP, SCALAR_ARGV, SP)
    .elseif \k < \n
    ADDI(T0, SP, (8 * \k))
    SD(T0, (SCALAR_ARGV + 8 * \k), SP)
    .endif
    .endr
.endm

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing
    LD(T0, FS_SLOT_HANDLER, SLOT)
    LD(R(a0), FS_SLOT_CIF, SLOT)
    LA(R(a1), fs_nothing)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    MV(R(a2), R(a1))
    JR(T0)
.endm

.macro fs_scalar_something class, n, tail
    fs_enter_frame SCALAR_FRAME, SCALAR_RA
    fs_save_\class \n, 0
    .ifc \class, g
    .if \n > 1 && \n <= FS_MIXED /* entry_order_lp64.h goes on here */
    FS_LANDING_PLACE
fs_mixed_\n\()_\tail:
    FS_LANDING
    fs_is_next_in fs_mixed_rest, fs_mixed_\n\()_\tail
    .endif
    .endif
    fs_scalar_arguments \n
    .if \tail != FS_TAIL_NONE
    SD(ZERO, SCALAR_RET, SP)
    .endif
    LD(T0, FS_SLOT_HANDLER, SLOT)
    LD(R(a0), FS_SLOT_CIF, SLOT)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    ADDI(R(a1), SP, SCALAR_RET)
    ADDI(R(a2), SP, SCALAR_ARGV)
    JALR(T0)
    fs_load \tail, SCALAR_RET
    fs_leave_frame SCALAR_FRAME, SCALAR_RA
.endm

.macro fs_scalar class, n, tail
    .balign 64
    FS_FUNC(fs_entry_\class\n\()_\tail)
    .if \n == 0 && \tail == FS_TAIL_NONE
    fs_scalar_nothing
    .else
    fs_scalar_something \class, \n, \tail
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_table_of_entries fs_mixed_rest
    fs_scalars g, FS_SCALAR_G
    fs_scalars v, FS_SCALAR_V

#include "arch/entry_one_lp64.h"

/* --- the planned frame (lp64.h has its offsets, from BASE) ------------------------------------
 *
 *      sp+384    the caller's stack arguments
 *      sp+320    a0 .. a7
 *      sp+256    fa0 .. fa7
 *      sp+192    gathered structs, 4 x 16; BASE points here
 *      sp+168    ra, fp (fs_entry_long)
 *      sp+160    tail
 *      sp+96     result, 64
 *      sp        avalue[12]
 */
#define AT(frame) (FS_FRAME_BASE + frame)
#define AVALUE AT(FS_FRAME_ARGV)
#define RESULT AT(FS_FRAME_RET)
#define TAIL AT(FS_FRAME_TAIL)
#define LINK AT(FS_FRAME_LINK)

/* Inside of a function whose frame another one has opened. */
.macro fs_frame_is_open
    .cfi_def_cfa_offset FS_FRAME_SIZE
    .cfi_offset FS_DWARF_RA, LINK - FS_FRAME_SIZE
.endm

/* Three kinds, by how the result goes back: u(niform) by FS_TAIL_WORD, _PAIR, _PAIR_D or not at all,
 * m(emory) by FS_TAIL_MEM, d(ispatched) by any other. const fs_planned_<kind>[FS_GPR_BUCKETS][FS_VEC_BUCKETS].
 *
 * avalue[i] and avalue[i + 1] = BASE + their bytes. */
.macro fs_arguments i
    LBU(T0, (FS_PLAN_BYTES + \i), SLOT)
    LBU(T1, (FS_PLAN_BYTES + \i + 1), SLOT)
    ADD(T0, T0, BASE)
    ADD(T1, T1, BASE)
    SD(T0, (AVALUE + 8 * \i), SP)
    SD(T1, (AVALUE + 8 * \i + 8), SP)
.endm

/* In: T0 = tail * FS_TAIL_SIZE, not 0. The commonest is here, the others are jumped to. */
.macro fs_dispatch
    LI(T1, (FS_TAIL_S32 * FS_TAIL_SIZE))
    BNE(T0, T1, 99f)
    fs_load FS_TAIL_S32, RESULT
    fs_leave_frame FS_FRAME_SIZE, LINK
99: LA(T1, fs_tails - FS_TAIL_SIZE)
    ADD(T1, T1, T0)
    JR(T1)
.endm

.macro fs_load_uniform
    fs_load FS_TAIL_PAIR, RESULT
    fs_load FS_TAIL_PAIR_D, RESULT
.endm

/* Call the handler and return its result. */
.macro fs_planned_call kind
    LD(T0, FS_SLOT_HANDLER, SLOT)
    .ifc \kind, m
    MV(R(a1), R(a0))
    .else
    fs_clear RESULT, 16
    ADDI(R(a1), SP, RESULT)
    .endif
    .ifc \kind, d
    LHU(T1, FS_PLAN_TAIL, SLOT)
    SD(T1, TAIL, SP)
    .endif
    LD(R(a0), FS_SLOT_CIF, SLOT)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    ADDI(R(a2), SP, AVALUE)
    JALR(T0)
    .ifc \kind, u
    fs_load_uniform
    .endif
    .ifc \kind, m
    fs_load_g 0, AT(FS_FRAME_SRET)
    .endif
    .ifc \kind, d
    LD(T0, TAIL, SP)
    fs_dispatch
    .else
    fs_leave_frame FS_FRAME_SIZE, LINK
    .endif
.endm

.macro fs_planned_entry kind, g, v
    .balign 64
    FS_FUNC(fs_entry_plan_\kind\()_\g\()_\v)
    fs_enter_frame FS_FRAME_SIZE, LINK
    fs_save_g \g, AT(FS_FRAME_GPR)
    fs_save_v \v, AT(FS_FRAME_VEC)
    LHU(T2, FS_PLAN_NARGS, SLOT)
    ADDI(BASE, SP, FS_FRAME_BASE)
    fs_arguments 0
    LI(T3, 2) /* nargs <= 2 and none gathered or by reference, which is the high byte */
    BLTU(T3, T2, fs_plan_body_\kind)
    fs_planned_call \kind
    FS_END(fs_entry_plan_\kind\()_\g\()_\v)
    fs_is_next_in fs_planned_\kind, fs_entry_plan_\kind\()_\g\()_\v
.endm
.macro fs_planned_entries kind, g
#if FS_FLEN
    .irp v, 0, 2, 4, 8
    fs_planned_entry \kind, \g, \v
    .endr
#else
    fs_planned_entry \kind, \g, 0
#endif
.endm

/* The rest of a planned entry whose signature is longer or has something that is not direct. In:
 * SLOT = closure with a plan in its slot, BASE, T2 = nargs and `more`; the frame is open, the
 * registers are saved, avalue[0] and [1] are there. What is written past nargs is not read. */
.macro fs_planned_body kind
    .balign 64
    .type fs_plan_body_\kind, %function
fs_plan_body_\kind:
    .cfi_startproc
    fs_frame_is_open
    LI(T3, 6) /* as above */
    BLTU(T3, T2, 1f)
    fs_arguments 2
    fs_arguments 4
    fs_planned_call \kind
1:  ANDI(T4, T2, 0xff)
    LI(T3, 2)
    SRLI(T2, T2, 8)
    BGEU(T3, T4, 2f)
    .irp i, 2, 4, 6, 8, 10
    fs_arguments \i
    .endr
    BEQZ(T2, 5f)
    /* bytes[nargs ...] up to T2: two pieces of the next struct in the scratch memory, to which a4
     * points; or an argument by reference: avalue[k] = *avalue[k] */
2:  ADD(T4, T4, SLOT)
    ADD(T2, T2, T4)
    LI(T3, FS_PLAN_REFERENCE)
    MV(R(a4), BASE)
3:  LBU(R(a5), FS_PLAN_BYTES, T4)
    BGEU(R(a5), T3, 7f)
    LBU(R(a6), (FS_PLAN_BYTES + 1), T4)
    ADD(R(a5), R(a5), BASE)
    LD(R(a5), 0, R(a5))
    ANDI(R(a7), R(a6), 1)
    ADD(R(a6), R(a6), BASE)
    ADDI(T4, T4, 2)
    SD(R(a5), 0, R(a4))
    BNEZ(R(a7), 6f)
    LD(R(a6), 0, R(a6))
    SD(R(a6), 8, R(a4))
4:  ADDI(R(a4), R(a4), 16)
    BNE(T4, T2, 3b)
5:  fs_planned_call \kind
6:  LW(R(a6), -1, R(a6))
    SW(R(a6), 4, R(a4))
    J(4b)
7:  SLLI(R(a5), R(a5), 3)
    ADD(R(a5), R(a5), SP)
    LD(R(a6), (AVALUE - 8 * FS_PLAN_REFERENCE), R(a5))
    LD(R(a6), 0, R(a6))
    ADDI(T4, T4, 1)
    SD(R(a6), (AVALUE - 8 * FS_PLAN_REFERENCE), R(a5))
    BNE(T4, T2, 3b)
    J(5b)
    .cfi_endproc
    .size fs_plan_body_\kind, . - fs_plan_body_\kind
.endm

    .irp kind, u, m, d
    fs_table_of_entries fs_planned_\kind
    fs_planned_entries \kind, 0
    fs_planned_entries \kind, 2
    fs_planned_entries \kind, 4
    fs_planned_entries \kind, 6
    fs_planned_entries \kind, 8
    fs_planned_body \kind
    .endr

#include "arch/entry_order_lp64.h"

/* --- long signatures: avalue is as long as it must be, below the frame -------------------------
 *
 *      fp       the planned frame
 *      sp       avalue[], FS_LONG_STEP at a time
 *
 * In: SLOT = closure whose plan is a struct fs_long. The frame is found by fp. */
    .balign 64
FS_FUNC(fs_entry_long)
    fs_enter_frame FS_FRAME_SIZE, LINK
    SD(FP, (LINK + 8), SP)
    .cfi_offset FS_DWARF_FP, LINK + 8 - FS_FRAME_SIZE
    MV(FP, SP)
    .cfi_def_cfa_register FS_DWARF_FP
    LD(T0, FS_SLOT_PLAN, SLOT)
    fs_save_g 8, AT(FS_FRAME_GPR)
    LHU(T1, FS_LONG_STRIDE, T0)
    ADDI(BASE, SP, FS_FRAME_BASE)
    BEQZ(T1, 1f)
    fs_save_v 8, AT(FS_FRAME_VEC)
1:  LW(T1, FS_LONG_PIECES, T0)
    LW(R(a4), FS_LONG_NARGS, T0)
    BNEZ(T1, 8f)
    LW(R(a5), FS_LONG_REFERENCES, T0)
    LH(T1, FS_LONG_TAIL, T0)
    ANDI(R(a6), T1, (FS_TAIL_SIZE - 1)) /* FS_TAIL_SECOND: the result may be a large one */
    fs_clear RESULT, 16
    SD(T1, TAIL, SP)
    BEQZ(R(a6), 11f)
    fs_clear (RESULT + 16), (FS_FRAME_RET_SIZE - 16)
11:  BEQZ(R(a4), 4f)
    /* Places, from the last step to the first, so that the stack is touched downwards. */
    ADDI(R(a4), R(a4), 3)
    SRLI(R(a4), R(a4), 2)
    SLLI(R(a6), R(a4), 4)
    SLLI(R(a7), R(a4), 5)
    ADD(T0, T0, R(a6))
    SUB(R(a7), SP, R(a7))
    MV(T2, T0) /* FS_LONG_WORDS bytes before the references */
2:  LW(R(a6), (FS_LONG_WORDS - 4), T0)
    LW(R(a4), (FS_LONG_WORDS - 8), T0)
    LW(T3, (FS_LONG_WORDS - 12), T0)
    LW(T4, (FS_LONG_WORDS - 16), T0)
    ADD(R(a6), R(a6), BASE)
    ADD(R(a4), R(a4), BASE)
    ADD(T3, T3, BASE)
    ADD(T4, T4, BASE)
    ADDI(SP, SP, -32)
    SD(R(a6), 24, SP)
    SD(R(a4), 16, SP)
    SD(T3, 8, SP)
    SD(T4, 0, SP)
    ADDI(T0, T0, -16)
    BNE(SP, R(a7), 2b)
    BEQZ(R(a5), 4f)
3:  LW(R(a4), FS_LONG_WORDS, T2)
    SLLI(R(a4), R(a4), 3)
    ADD(R(a4), R(a4), SP)
    LD(R(a6), 0, R(a4))
    LD(R(a6), 0, R(a6))
    ADDI(T2, T2, 4)
    SD(R(a6), 0, R(a4))
    ADDI(R(a5), R(a5), -1)
    BNEZ(R(a5), 3b)
4:  LD(T0, FS_SLOT_HANDLER, SLOT)
    ADDI(R(a1), FP, RESULT)
    BGEZ(T1, 5f)
    MV(R(a1), R(a0))
    SD(R(a0), RESULT, FP) /* goes back in a0 */
5:  LD(R(a0), FS_SLOT_CIF, SLOT)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    MV(R(a2), SP)
    JALR(T0)
    LD(T0, TAIL, FP)
6:  MV(SP, FP)
    .cfi_def_cfa_register FS_DWARF_SP
    LD(FP, (LINK + 8), SP)
    .cfi_restore FS_DWARF_FP
    BGTZ(T0, 9f)
    fs_load_uniform
    fs_leave_frame FS_FRAME_SIZE, LINK
    /* int fs_plan_run(const struct fs_slot *slot [a0], struct fs_frame *frame [a1]) calls the handler
     * and returns what fs_dispatch takes. */
8:  .cfi_remember_state
    .cfi_def_cfa_register FS_DWARF_FP
    .cfi_offset FS_DWARF_FP, LINK + 8 - FS_FRAME_SIZE
    MV(R(a0), SLOT)
    MV(R(a1), BASE)
    CALL(fs_plan_run)
    MV(T0, R(a0))
    J(6b)
    .cfi_restore_state
    /* The second part of the result, where the tail wants it (FS_TAIL_SECOND). */
9:  ANDI(T1, T0, (FS_TAIL_SIZE - 1))
    BEQZ(T1, 10f)
    SUB(T0, T0, T1)
    ADD(T1, T1, SP)
    LD(T1, RESULT, T1)
    SD(T1, (RESULT + 8), SP)
10: fs_dispatch
FS_END(fs_entry_long)

    .balign FS_TAIL_SIZE
    .type fs_tails, %function
fs_tails:
    .cfi_startproc
    fs_frame_is_open
    .irp tail, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
    fs_tail \tail
    fs_load \tail, RESULT
    fs_leave_frame FS_FRAME_SIZE, LINK
    .endr
    .org fs_tails + FS_TAIL_DD8 * FS_TAIL_SIZE, FS_TAIL_FILL
    .cfi_endproc
    .size fs_tails, . - fs_tails
/* clang-format on */

FS_ASM_NOTES
