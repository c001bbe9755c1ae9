/* SPDX-License-Identifier: MIT */
/* entry.S - ELFv2: from a C call to handler(cif, ret, args, data), and the result back
 *
 * Every entry finds: r11 = the closure, r12 = the entry itself, the caller's arguments in r3-r10,
 * f1-f13, v2-v13 and on the stack, r3 = where a result in memory goes, LR = the return address. Every
 * entry keeps what the 64-bit ELF V2 ABI says a callee keeps, and calls
 *
 *     void handler(ffi_cif *cif [r3], void *ret [r4], void **args [r5], void *data [r6])
 *
 * exactly once, with r12 = the handler, as its TOC needs, and with real frame descriptions: an
 * exception may pass, a debugger may look. r2 is the handler's business and the caller's: whoever
 * calls through a pointer restores it. Entries use none, but for fs_entry_long's call of C.
 *
 * What the return needs is taken from the closure *before* the handler runs, because the handler may
 * free it. What *ret holds comes back in registers and is zero before, so that a handler that fails
 * and writes nothing returns 0, a null pointer, 0.0, and not what lay on the stack. Only memory that
 * the caller gave for a result (FS_TAIL_MEM) is the caller's, and stays as it is.
 *
 * Three kinds, chosen when the closure is prepared (abi.c):
 *   fs_entry_<class><n>_<tail>  n scalars in general registers, or n doubles; straight-line code
 *   fs_entry_plan_<kind>_<g>_<v>  up to 20 arguments, walked from the slot, after saving the
 *                               registers that carry arguments
 *   fs_entry_long               anything else: the same frame; the plan is in memory of its own, and
 *                               what has pieces to gather is walked by C (plan/run.c)
 */
#include "arch.h"
    FS_ASM_BEGIN
#define FS_TAIL_LANDING
#define FS_TAIL_FILL 0 /* no instruction */
#include "arch/entry.h"

#define LINK 16 /* where a callee keeps LR in the caller's frame */

.macro fs_enter_frame size
    mflr %r0
    std %r0, LINK(%r1)
    .cfi_offset 65, LINK
    stdu %r1, -\size(%r1)
    .cfi_adjust_cfa_offset \size
.endm

.macro fs_leave_frame size
    .cfi_remember_state
    addi %r1, %r1, \size
    .cfi_adjust_cfa_offset -\size
    ld %r0, LINK(%r1)
    mtlr %r0
    .cfi_restore 65
    blr
    .cfi_restore_state
.endm

/* The registers first .. last of those that carry arguments of one kind. */
.macro fs_each_floating op, n, at, width
    .irp k, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
    .if \k <= \n
    \op %f\k, \at + \width * (\k - 1)(%r1)
    .endif
    .endr
.endm

/* Spent: r9. */
.macro fs_each_quad op, n, at
    .irp k, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
    .if \k <= \n + 1
    li %r9, \at + 16 * (\k - 2)
    \op %v\k, %r9, %r1
    .endif
    .endr
.endm

/* Load an integer of a tail into \r from \at: fs_load's, and one part of a complex. */
.macro fs_load_integer tail, r, at
    .if \tail == FS_TAIL_S32
    lwa \r, \at(%r1)
    .elseif \tail == FS_TAIL_U32
    lwz \r, \at(%r1)
    .elseif \tail == FS_TAIL_S16
    lha \r, \at(%r1)
    .elseif \tail == FS_TAIL_U16
    lhz \r, \at(%r1)
    .elseif \tail == FS_TAIL_S8
    lbz \r, \at(%r1)
    extsb \r, \r
    .elseif \tail == FS_TAIL_U8
    lbz \r, \at(%r1)
    .else
    .error "fs_load does not know this tail"
    .endif
.endm

.macro fs_load_two tail, at, size
    fs_load_integer \tail - FS_TAIL_BOTH + FS_TAIL_S32, %r3, \at
    fs_load_integer \tail - FS_TAIL_BOTH + FS_TAIL_S32, %r4, \at + \size
.endm

/* Load the result, which is at `at` from r1, the way that FS_TAIL_<tail> says. The register that the
 * caller does not look at may hold anything. */
.macro fs_load tail, at
    .if \tail == FS_TAIL_WORD
    ld %r3, \at(%r1)
    lfd %f1, \at(%r1)
    .elseif \tail == FS_TAIL_PAIR
    ld %r3, \at(%r1)
    ld %r4, \at + 8(%r1)
    fs_each_floating lfd, 2, \at, 8
    .elseif \tail == FS_TAIL_FLOATS
    fs_each_floating lfs, 8, \at, 4
    .elseif \tail == FS_TAIL_DOUBLES
    fs_each_floating lfd, 8, \at, 8
    .elseif \tail == FS_TAIL_QUADS
    fs_each_quad lvx, 8, \at
    .elseif \tail >= FS_TAIL_BOTH + FS_TAIL_S8 - FS_TAIL_S32
    fs_load_two \tail, \at, 1
    .elseif \tail >= FS_TAIL_BOTH + FS_TAIL_S16 - FS_TAIL_S32
    fs_load_two \tail, \at, 2
    .elseif \tail >= FS_TAIL_BOTH
    fs_load_two \tail, \at, 4
    .elseif \tail != FS_TAIL_NONE
    fs_load_integer \tail, %r3, \at
    .if \tail == FS_TAIL_U32
    lfs %f1, \at(%r1)
    .endif
    .endif
.endm

/* Call the handler of the closure in r11. ret is \ret from r1, or what is in r4 already. */
.macro fs_call_handler argv, ret:vararg
    .ifnb \ret
    addi %r4, %r1, \ret
    .endif
    ld %r12, FS_SLOT_HANDLER(%r11)
    ld %r3, FS_SLOT_CIF(%r11)
    ld %r6, FS_SLOT_DATA(%r11)
    addi %r5, %r1, \argv
    mtctr %r12
    bctrl
.endm

/* --- scalars of one class ------------------------------------------------------------------
 *
 *      r1+112   avalue, 8 x 8
 *      r1+48    saved registers, 8 x 8
 *      r1+32    result, 8 (+8)
 *      r1       the handler's area
 */
#define SCALAR_FRAME 176
#define SCALAR_RET 32
#define SCALAR_SAVED 48
#define SCALAR_ARGV 112

.macro fs_save_general n, at
    .irp k, 3, 4, 5, 6, 7, 8, 9, 10
    .if \k < 3 + \n
    std %r\k, \at + 8 * (\k - 3)(%r1)
    .endif
    .endr
.endm

/* Nothing to keep and nothing to return: the handler takes this entry's place. */
.macro fs_scalar_nothing name
    addis %r4, %r12, (fs_nothing - \name)@ha
    addi %r4, %r4, (fs_nothing - \name)@l
    mr %r5, %r4
    ld %r3, FS_SLOT_CIF(%r11)
    ld %r6, FS_SLOT_DATA(%r11)
    ld %r12, FS_SLOT_HANDLER(%r11)
    mtctr %r12
    bctr
.endm

.macro fs_scalar_something class, n, tail
    fs_enter_frame SCALAR_FRAME
    .ifc \class, g
    fs_save_general \n, SCALAR_SAVED
    .else
    fs_each_floating stfd, \n, SCALAR_SAVED, 8
    .endif
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7
    .if \k < \n
    addi %r9, %r1, SCALAR_SAVED + 8 * \k
    std %r9, SCALAR_ARGV + 8 * \k(%r1)
    .endif
    .endr
    .if \tail != FS_TAIL_NONE
    li %r9, 0
    std %r9, SCALAR_RET(%r1)
    .endif
    fs_call_handler SCALAR_ARGV, SCALAR_RET
    fs_load \tail, SCALAR_RET
    fs_leave_frame SCALAR_FRAME
.endm

.macro fs_scalar class, n, tail
    .balign 32
    FS_CODE(fs_entry_\class\n\()_\tail)
    .if \n == 0 && \tail == FS_TAIL_NONE
    fs_scalar_nothing fs_entry_\class\n\()_\tail
    .else
    fs_scalar_something \class, \n, \tail
    .endif
    FS_END(fs_entry_\class\n\()_\tail)
.endm

    fs_scalars g, FS_SCALAR_G
    fs_scalars v, FS_SCALAR_V

/* --- the planned frame (arch.h has its offsets) ---------------------------------------------
 *
 *      r1+608    the caller's stack arguments
 *      r1+544    r3 .. r10, where there are any
 *      r1+512    the caller's frame: its back chain, LR
 *      r1+352    avalue[20]
 *      r1+344    tail
 *      r1+336    where a result in memory goes
 *      r1+272    result, 64
 *      r1+208    f1 .. f13 as floats
 *      r1+96     f1 .. f13 as doubles
 *      r1+32     r3 .. r10, where no argument is on the stack
 *      r1        the handler's area
 *
 * With IEEE's long double v2 .. v13 are at 272, the result has 128 bytes, and all above is 256 bytes
 * further up.
 */

/* Inside of a function whose frame another one has opened. */
.macro fs_frame_is_open
    .cfi_def_cfa_offset FS_FRAME_SIZE
    .cfi_offset 65, LINK
.endm

/* avalue[i] and avalue[i + 1] = the frame + FS_PLAN_UNIT * their bytes. Spent: r9, r10. */
.macro fs_arguments i
    lbz %r9, FS_PLAN_BYTES + \i(%r11)
    lbz %r10, FS_PLAN_BYTES + \i + 1(%r11)
    sldi %r9, %r9, 2
    sldi %r10, %r10, 2
    add %r9, %r9, %r1
    add %r10, %r10, %r1
    std %r9, FS_FRAME_ARGV + 8 * \i(%r1)
    std %r10, FS_FRAME_ARGV + 8 * \i + 8(%r1)
.endm

/* In: r9 = tail * FS_TAIL_SIZE, not 0. The commonest is here, the others are jumped to. */
.macro fs_dispatch
    cmpwi %r9, FS_TAIL_S32 * FS_TAIL_SIZE
    bne 99f
    fs_load FS_TAIL_S32, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
99: bcl 20, 31, 98f
98: mflr %r12
    addis %r12, %r12, (fs_tails - FS_TAIL_SIZE - 98b)@ha
    addi %r12, %r12, (fs_tails - FS_TAIL_SIZE - 98b)@l
    add %r12, %r12, %r9
    mtctr %r12
    bctr
.endm

.macro fs_clear_result bytes
    li %r9, 0
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .if 8 * \k < \bytes
    std %r9, FS_FRAME_RET + 8 * \k(%r1)
    .endif
    .endr
.endm

.macro fs_keep_tail
    lhz %r10, FS_PLAN_TAIL(%r11)
    stw %r10, FS_FRAME_TAIL(%r1)
.endm

.macro fs_dispatch_kept
    lwz %r9, FS_FRAME_TAIL(%r1)
    fs_dispatch
.endm

/* Four kinds, by how the result goes back: u(niform) by FS_TAIL_WORD or _PAIR, m(emory) by FS_TAIL_MEM,
 * n(arrow) by one that has at most 16 bytes, d(ispatched) by any other. Call the handler and return
 * its result. */
.macro fs_planned_call kind
    .ifc \kind, u
    fs_clear_result 16
    fs_call_handler FS_FRAME_ARGV, FS_FRAME_RET
    fs_load FS_TAIL_PAIR, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
    .endif
    .ifc \kind, m
    std %r3, FS_FRAME_SRET(%r1)
    mr %r4, %r3
    fs_call_handler FS_FRAME_ARGV
    ld %r3, FS_FRAME_SRET(%r1)
    fs_leave_frame FS_FRAME_SIZE
    .endif
    .ifc \kind, n
    fs_clear_result 16
    fs_keep_tail
    fs_call_handler FS_FRAME_ARGV, FS_FRAME_RET
    fs_dispatch_kept
    .endif
    .ifc \kind, d
    fs_clear_result FS_FRAME_RET_SIZE
    fs_keep_tail
    fs_call_handler FS_FRAME_ARGV, FS_FRAME_RET
    fs_dispatch_kept
    .endif
.endm

/* g: how many general registers are saved; h: all at FS_FRAME_HOME. v: how many floating ones are
 * saved as doubles; s4: 4 as floats; b4, b13: 4, or all, as both; q: b13 and the vector registers. */
.macro fs_planned_save g, v
    .ifc \g, h
    fs_save_general 8, FS_FRAME_HOME
    .else
    fs_save_general \g, FS_FRAME_GPR
    .endif
    .ifc \v, s4
    fs_each_floating stfs, 4, FS_FRAME_SINGLES, 4
    .else
    .ifc \v, b4
    fs_each_floating stfd, 4, FS_FRAME_DOUBLES, 8
    fs_each_floating stfs, 4, FS_FRAME_SINGLES, 4
    .else
    .ifc \v, b13
    fs_save_all_floating
    .else
    .ifc \v, q
    fs_save_all_floating
    fs_save_quads
    .else
    fs_each_floating stfd, \v, FS_FRAME_DOUBLES, 8
    .endif
    .endif
    .endif
    .endif
.endm

.macro fs_save_all_floating
    fs_each_floating stfd, 13, FS_FRAME_DOUBLES, 8
    fs_each_floating stfs, 13, FS_FRAME_SINGLES, 4
.endm

.macro fs_save_quads
#ifdef FS_FRAME_QUADS
    fs_each_quad stvx, 12, FS_FRAME_QUADS
#endif
.endm

.macro fs_planned_entry kind, g, v
    .balign 32
    FS_CODE(fs_entry_plan_\kind\()_\g\()_\v)
    fs_enter_frame FS_FRAME_SIZE
    fs_planned_save \g, \v
    lbz %r8, FS_PLAN_NARGS(%r11)
    fs_arguments 0
    cmplwi %r8, 2
    bgt fs_plan_body_\kind
    fs_planned_call \kind
    FS_END(fs_entry_plan_\kind\()_\g\()_\v)
    fs_is_next_in fs_planned_\kind, fs_entry_plan_\kind\()_\g\()_\v
.endm
.macro fs_planned_entries kind, g
    .irp v, 0, 2, 4, 13, s4, b4, b13, q
    fs_planned_entry \kind, \g, \v
    .endr
.endm

/* The rest of a planned entry whose signature is longer. In: r11 = closure with a plan in its slot, r8
 * = nargs; the frame is open, the registers are saved, avalue[0] and [1] are there. What is written
 * past nargs is not read. */
.macro fs_planned_body kind
    .balign 32
    .type fs_plan_body_\kind, %function
fs_plan_body_\kind:
    .cfi_startproc
    fs_frame_is_open
    cmplwi %r8, 6
    fs_arguments 2
    bgt 1f
    fs_arguments 4
    fs_planned_call \kind
    .balign 32
1:  fs_arguments 4
    fs_arguments 6
    fs_arguments 8
    cmplwi %r8, 10
    bgt 2f
    fs_planned_call \kind
    .balign 32
2:  .irp i, 10, 12, 14, 16, 18
    fs_arguments \i
    .endr
    fs_planned_call \kind
    .cfi_endproc
    .size fs_plan_body_\kind, . - fs_plan_body_\kind
.endm

    .irp kind, u, m, n, d
    fs_table_of_entries fs_planned_\kind
    fs_planned_entries \kind, 0
    fs_planned_entries \kind, 3
    fs_planned_entries \kind, 8
    fs_planned_entries \kind, h
    fs_planned_body \kind
    .endr

/* --- long signatures: avalue is as long as it must be, below the frame -------------------------
 *
 *      r31      the planned frame; the caller's r31 is where its avalue would be
 *      r1+32    avalue[], FS_LONG_STEP at a time
 *      r1       the handler's area, with the back chain
 *
 * In: r11 = closure whose plan is a struct fs_long. */
#define KEPT_R31 FS_FRAME_ARGV

    .balign 32
FS_CODE(fs_entry_long)
    fs_enter_frame FS_FRAME_SIZE
    std %r31, KEPT_R31(%r1)
    .cfi_offset 31, KEPT_R31 - FS_FRAME_SIZE
    std %r3, FS_FRAME_SRET(%r1)
    ld %r31, FS_SLOT_PLAN(%r11)
    lbz %r0, FS_LONG_HOME(%r31)
    cmpwi %r0, 0
    beq 1f
    fs_save_general 8, FS_FRAME_HOME
    b 2f
1:  fs_save_general 8, FS_FRAME_GPR
2:  lbz %r0, FS_LONG_STRIDE(%r31)
    cmpwi %r0, 0
    beq 3f
    fs_save_all_floating
3:  fs_save_quads
    mr %r8, %r31
    mr %r31, %r1
    .cfi_def_cfa_register 31
    lwz %r7, FS_LONG_NARGS(%r8)
    lwz %r9, FS_LONG_PIECES(%r8)
    cmpwi %r9, 0
    bne 8f
    lha %r10, FS_LONG_TAIL(%r8)
    stw %r10, FS_FRAME_TAIL(%r1)
    fs_clear_result FS_FRAME_RET_SIZE
    /* Places, from the last step to the first, so that the stack is touched downwards. */
    addi %r7, %r7, 3
    srwi %r7, %r7, 2
    mtctr %r7
    sldi %r7, %r7, 4
    addi %r8, %r8, FS_LONG_WORDS
    add %r8, %r8, %r7
    ld %r0, 0(%r1) /* the back chain */
4:  lwz %r6, -4(%r8)
    lwz %r5, -8(%r8)
    lwz %r4, -12(%r8)
    lwzu %r3, -16(%r8)
    add %r6, %r6, %r31
    add %r5, %r5, %r31
    add %r4, %r4, %r31
    add %r3, %r3, %r31
    stdu %r0, -32(%r1)
    std %r6, 56(%r1)
    std %r5, 48(%r1)
    std %r4, 40(%r1)
    std %r3, 32(%r1)
    bdnz 4b
    addi %r4, %r31, FS_FRAME_RET
    cmpwi %r10, 0
    bge 5f
    ld %r4, FS_FRAME_SRET(%r31)
    std %r4, FS_FRAME_RET(%r31)
5:  fs_call_handler 32
    mr %r1, %r31
    lwa %r9, FS_FRAME_TAIL(%r1)
6:  ld %r31, KEPT_R31(%r1)
    .cfi_def_cfa_register 1
    .cfi_restore 31
    cmpwi %r9, 0
    bgt 9f
    fs_load FS_TAIL_PAIR, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
    /* int fs_plan_run(const struct fs_slot *slot [r3], struct fs_frame *frame [r4]) calls the handler
     * and returns what fs_dispatch takes. It needs the TOC, which comes from r12. */
    .cfi_def_cfa_register 31
    .cfi_offset 31, KEPT_R31 - FS_FRAME_SIZE
8:  addis %r2, %r12, (.TOC. - fs_entry_long)@ha
    addi %r2, %r2, (.TOC. - fs_entry_long)@l
    mr %r3, %r11
    mr %r4, %r1
    bl fs_plan_run
    nop
    mr %r9, %r3
    b 6b
    .cfi_def_cfa_register 1
    .cfi_restore 31
9:  fs_dispatch
FS_END(fs_entry_long)

    .balign FS_TAIL_SIZE
    .type fs_tails, %function
fs_tails:
    .cfi_startproc
    fs_frame_is_open
    .irp tail, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16
    fs_tail \tail
    fs_load \tail, FS_FRAME_RET
    fs_leave_frame FS_FRAME_SIZE
    .endr
    .org fs_tails + FS_TAIL_QUADS * FS_TAIL_SIZE, FS_TAIL_FILL
    .cfi_endproc
    .size fs_tails, . - fs_tails

FS_ASM_NOTES
