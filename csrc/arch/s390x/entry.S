/* SPDX-License-Identifier: MIT */
/* entry.S - s390x: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds: r0 = the closure, the caller's arguments in r2-r6, f0, f2, f4, f6 and on the
 * stack, r2 = where a result in memory goes, r14 = the return address, and above r15 the caller's 160
 * bytes, in which an entry saves what it must. Every entry keeps what the s390x ELF ABI says a
 * callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [r2], void *ret [r3], void **args [r4], void *data [r5])
 *
 * exactly once, with real frame descriptions: an exception may pass, a debugger may look. What the
 * return needs is taken from the closure *before* the handler runs, because the handler may free it.
 * What *ret holds comes back in registers and is zero before, so that a handler that fails and writes
 * nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that the caller
 * gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * r6 carries an argument and belongs to the caller: it is saved for the handler to read, and never
 * changed.
 *
 * Four kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars of one register class; straight-line code
 *   fs_entry_few_<tail>_<shape>_<v>  up to two arguments of any kind, whose places are in the slot
 *   fs_entry_plan_<tail>_<v>    up to 20, walked from the slot, after saving the registers that carry
 *                               arguments; tail 8 is FS_TAIL_MEM
 *   fs_entry_long               anything else; the plan is in memory of its own
 */
#include "arch.h"
#define FS_TAIL_LANDING
#define FS_TAIL_FILL 0 /* no instruction */
#include "arch/entry.h"

/* --- the frame of all but fs_entry_long -----------------------------------------------------
 *
 *      r15+496    the caller's stack arguments; the CFA
 *      r15+352    the caller's area: r2 .. r6, r14, r15, f0, f2, f4, f6
 *      r15+336    (the caller's)
 *      r15+320    result, 8 (+8)
 *      r15+160    avalue[20]
 *      r15        the handler's area
 */
#define AREA 160
#define FRAME 336
#define ARGV 160
#define RET (FRAME + FS_FRAME_RET)
#define SAVED_R14 112 /* and r15: from r15 at entry, as FS_FRAME_* */

.macro fs_enter_frame
    stmg %r14, %r15, SAVED_R14(%r15)
    .cfi_offset %r14, SAVED_R14 - AREA
    .cfi_offset %r15, SAVED_R14 + 8 - AREA
    lgr %r1, %r0
.endm

.macro fs_open_frame
    aghi %r15, -FRAME
    .cfi_def_cfa_offset AREA + FRAME
.endm

.macro fs_leave_frame
    .cfi_remember_state
    lmg %r14, %r15, FRAME + SAVED_R14(%r15)
    .cfi_def_cfa_offset AREA
    .cfi_restore %r14
    .cfi_restore %r15
    br %r14
    .cfi_restore_state
.endm

/* Load the result, the 8 bytes at \at(\base), the way that FS_TAIL_<tail> says. The register that
 * the caller does not look at may hold anything. */
.macro fs_load tail, at, base
    .if \tail == FS_TAIL_WORD
    lg %r2, \at(\base)
    ld %f0, \at(\base)
    .elseif \tail == FS_TAIL_S32
    lgf %r2, \at + 4(\base)
    .elseif \tail == FS_TAIL_U32
    llgf %r2, \at + 4(\base)
    le %f0, \at(\base)
    .elseif \tail == FS_TAIL_S16
    lgh %r2, \at + 6(\base)
    .elseif \tail == FS_TAIL_U16
    llgh %r2, \at + 6(\base)
    .elseif \tail == FS_TAIL_S8
    lgb %r2, \at + 7(\base)
    .elseif \tail == FS_TAIL_U8
    llgc %r2, \at + 7(\base)
    .endif
.endm

/* Save the first n floating registers that carry arguments. */
.macro fs_save_floating n
    .irp k, 0, 2, 4, 6
    .if \k < 2 * \n
    std %f\k, FS_FRAME_VEC + 4 * \k(%r15)
    .endif
    .endr
.endm

.macro fs_save_general n
    .irp last, 2, 3, 4, 5, 6
    .if \last == \n + 1
    stmg %r2, %r\last, FS_FRAME_GPR(%r15)
    .endif
    .endr
.endm

/* avalue[i] = the frame + its byte in the plan. Spent: r3. */
.macro fs_argument i
    llgc %r3, FS_PLAN_BYTES + \i(%r1)
    la %r3, FRAME(%r3, %r15)
    stg %r3, ARGV + 8 * \i(%r15)
.endm

/* Call the handler and return its result. In: r1 = closure; r2 = where a result in memory goes. */
.macro fs_call tail
    .if \tail == FS_FAST_TAILS
    lgr %r3, %r2
    .else
    .if \tail != FS_TAIL_NONE
    xc RET(8, %r15), RET(%r15)
    .endif
    la %r3, RET(%r15)
    .endif
    lg %r2, FS_SLOT_CIF(%r1)
    la %r4, ARGV(%r15)
    lg %r5, FS_SLOT_DATA(%r1)
    lg %r1, FS_SLOT_HANDLER(%r1)
    basr %r14, %r1
    fs_load \tail, RET, %r15
    fs_leave_frame
.endm

/* --- scalars of one class ------------------------------------------------------------------- */

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing
    lgr %r1, %r0
    larl %r3, fs_nothing
    lg %r2, FS_SLOT_CIF(%r1)
    lgr %r4, %r3
    lg %r5, FS_SLOT_DATA(%r1)
    lg %r1, FS_SLOT_HANDLER(%r1)
    br %r1
.endm

.macro fs_scalar_something class, n, tail
    fs_enter_frame
    .ifc \class, g
    fs_save_general \n
    .else
    fs_save_floating \n
    .endif
    fs_open_frame
    .irp k, 0, 1, 2, 3, 4
    .if \k < \n
    .ifc \class, g
    fs_argument \k
    .else
    la %r3, FRAME + FS_FRAME_VEC + 8 * \k(%r15)
    stg %r3, ARGV + 8 * \k(%r15)
    .endif
    .endif
    .endr
    fs_call \tail
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
    fs_scalars v, FS_SCALAR_V

/* --- planned ones of up to two arguments:
 *     const fs_few[FS_PLANNED_TAILS][FS_SHAPE_MORE][FS_FEW_VEC_BUCKETS] --------------------------- */

/* avalue[i] = the frame + its byte in the plan, or the address that is there. */
.macro fs_few_argument i, by_reference
    llgc %r3, FS_PLAN_BYTES + \i(%r1)
    .if \by_reference
    lg %r3, FRAME(%r3, %r15)
    .else
    la %r3, FRAME(%r3, %r15)
    .endif
    stg %r3, ARGV + 8 * \i(%r15)
.endm

.macro fs_few_entry tail, shape, v
    .balign 16
    FS_CODE(fs_entry_few_\tail\()_\shape\()_\v)
    fs_enter_frame
    .if \shape != FS_SHAPE_NONE
    fs_save_general 5
    .endif
    fs_save_floating \v
    fs_open_frame
    .if \shape >= FS_SHAPE_TWO
    fs_few_argument 0, (\shape - FS_SHAPE_TWO) & 2
    fs_few_argument 1, (\shape - FS_SHAPE_TWO) & 1
    .elseif \shape >= FS_SHAPE_ONE
    fs_few_argument 0, \shape - FS_SHAPE_ONE
    .endif
    fs_call \tail
    FS_END(fs_entry_few_\tail\()_\shape\()_\v)
    fs_is_next_in fs_few, fs_entry_few_\tail\()_\shape\()_\v
.endm

.macro fs_few_entries tail
    .irp shape, 0, 1, 2, 3, 4, 5, 6
    fs_few_entry \tail, \shape, 0
    fs_few_entry \tail, \shape, 2
    .endr
.endm

    fs_table_of_entries fs_few
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8
    fs_few_entries \tail
    .endr

/* --- of three and more: const fs_planned[FS_PLANNED_TAILS][FS_VEC_BUCKETS] ---------------------- */

.macro fs_planned_entry tail, v
    .balign 16
    FS_CODE(fs_entry_plan_\tail\()_\v)
    fs_enter_frame
    fs_save_general 5
    fs_save_floating \v
    fs_open_frame
    llgh %r4, FS_PLAN_MORE(%r1) /* and nargs */
    .irp i, 0, 1, 2, 3
    fs_argument \i
    .endr
    chi %r4, 4 /* nargs <= 4 and none by reference, which is the high byte */
    jh fs_plan_body_\tail
    fs_call \tail
    FS_END(fs_entry_plan_\tail\()_\v)
    fs_is_next_in fs_planned, fs_entry_plan_\tail\()_\v
.endm

/* The rest of a planned entry whose signature is longer or has something by reference. In: r1 =
 * closure with a plan in its slot, r4 = `more` and nargs; the frame is open, the registers are saved,
 * avalue[0] to [3] are there. What is written past nargs is not read. */
.macro fs_planned_body tail
    .balign 16
    .type fs_plan_body_\tail, %function
fs_plan_body_\tail:
    .cfi_startproc
    .cfi_def_cfa_offset AREA + FRAME
    .cfi_offset %r14, SAVED_R14 - AREA
    .cfi_offset %r15, SAVED_R14 + 8 - AREA
    chi %r4, 6 /* as above */
    jh 1f
    fs_argument 4
    fs_argument 5
    fs_call \tail
    /* From the last one to avalue[3]. Each is 16 bytes of code, so the jump finds where to begin. */
    .balign 16
1:  llgc %r5, FS_PLAN_NARGS(%r1)
    larl %r3, 2f + 3 * 16
    sllg %r0, %r5, 4
    sgr %r3, %r0
    br %r3
    .irp i, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3
    fs_argument \i
    .endr
2:  srag %r4, %r4, 8 /* how many are by reference */
    je 4f
    la %r5, FS_PLAN_BYTES(%r5, %r1)
    /* avalue[k] = *avalue[k] for every k in bytes[nargs ...] */
3:  llgc %r3, 0(%r5)
    la %r5, 1(%r5)
    sllg %r3, %r3, 3
    la %r3, ARGV(%r3, %r15)
    lg %r14, 0(%r3)
    mvc 0(8, %r3), 0(%r14)
    brct %r4, 3b
4:  fs_call \tail
    .cfi_endproc
    .size fs_plan_body_\tail, . - fs_plan_body_\tail
.endm

    fs_table_of_entries fs_planned
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8
    fs_planned_entry \tail, 0
    fs_planned_entry \tail, 2
    fs_planned_entry \tail, 4
    fs_planned_body \tail
    .endr

/* --- long signatures: avalue is as long as it must be --------------------------------------------
 *
 *      r11+160    the caller's stack arguments; the CFA
 *      r11        the caller's area; r11 .. r15 are saved in it, too
 *      r11-16     result, 8 (+8)
 *      r15+160    avalue[], FS_LONG_STEP at a time
 *      r15        the handler's area
 *
 * In: r0 = closure whose plan is a struct fs_long. The frame is found by r11; r12 = tail. */
#define SAVED_R11 88

/* Inside of a function whose frame fs_entry_long has opened. */
.macro fs_long_is_open
    .cfi_def_cfa %r11, AREA
    .cfi_offset %r11, SAVED_R11 - AREA
    .cfi_offset %r12, SAVED_R11 + 8 - AREA
    .cfi_offset %r14, SAVED_R14 - AREA
    .cfi_offset %r15, SAVED_R14 + 8 - AREA
.endm

.macro fs_leave_long
    .cfi_remember_state
    lmg %r11, %r15, SAVED_R11(%r11)
    .cfi_def_cfa %r15, AREA
    .cfi_restore %r11
    .cfi_restore %r12
    .cfi_restore %r14
    .cfi_restore %r15
    br %r14
    .cfi_restore_state
.endm

    .balign 16
FS_CODE(fs_entry_long)
    stmg %r11, %r15, SAVED_R11(%r15)
    .cfi_offset %r11, SAVED_R11 - AREA
    .cfi_offset %r12, SAVED_R11 + 8 - AREA
    .cfi_offset %r14, SAVED_R14 - AREA
    .cfi_offset %r15, SAVED_R14 + 8 - AREA
    lgr %r1, %r0
    fs_save_general 5
    fs_save_floating 4
    lg %r3, FS_SLOT_PLAN(%r1)
    lgr %r11, %r15
    .cfi_def_cfa_register %r11
    aghi %r15, FS_FRAME_RET - AREA
    xc AREA(8, %r15), AREA(%r15)
    lgh %r12, FS_LONG_TAIL(%r3)
    llgf %r4, FS_LONG_NARGS(%r3)
    llgf %r5, FS_LONG_REFERENCES(%r3)
    /* Places, from the last step to the first, so that the stack is touched downwards. */
    aghi %r4, 3
    srlg %r4, %r4, 2
    sllg %r2, %r4, 4
    la %r3, FS_LONG_WORDS(%r2, %r3)
    lgr %r0, %r3 /* the references begin there */
1:  aghi %r3, -16
    aghi %r15, -32
    .irp k, 0, 1, 2, 3
    llgf %r2, 4 * \k(%r3)
    la %r2, 0(%r2, %r11)
    stg %r2, AREA + 8 * \k(%r15)
    .endr
    brct %r4, 1b
    ltr %r5, %r5
    je 3f
    lgr %r3, %r0
2:  llgf %r2, 0(%r3)
    la %r3, 4(%r3)
    sllg %r2, %r2, 3
    la %r2, AREA(%r2, %r15)
    lg %r4, 0(%r2)
    mvc 0(8, %r2), 0(%r4)
    brct %r5, 2b
3:  lgr %r3, %r11
    aghi %r3, FS_FRAME_RET
    ltr %r12, %r12
    jnl 4f
    lg %r3, FS_FRAME_SRET(%r11)
4:  lg %r2, FS_SLOT_CIF(%r1)
    la %r4, AREA(%r15)
    lg %r5, FS_SLOT_DATA(%r1)
    lg %r1, FS_SLOT_HANDLER(%r1)
    basr %r14, %r1
    lgr %r3, %r11
    aghi %r3, FS_FRAME_RET
    ltr %r12, %r12
    jh 5f
    fs_load FS_TAIL_WORD, 0, %r3
    fs_leave_long
5:  larl %r1, fs_tails - FS_TAIL_SIZE
    la %r1, 0(%r12, %r1)
    br %r1
FS_END(fs_entry_long)

/* In: r3 = the result. */
    .balign FS_TAIL_SIZE
    .type fs_tails, %function
fs_tails:
    .cfi_startproc
    fs_long_is_open
    .irp tail, 1, 2, 3, 4, 5, 6
    fs_tail \tail
    fs_load \tail, 0, %r3
    fs_leave_long
    .endr
    .org fs_tails + FS_TAIL_U8 * FS_TAIL_SIZE, FS_TAIL_FILL
    .cfi_endproc
    .size fs_tails, . - fs_tails

FS_ASM_NOTES
