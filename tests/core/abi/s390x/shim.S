/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there, nor write to the caller's
 * area, which is the callee's: what it keeps is in the frame (shim.h).
 *
 *          | canary (dirty calls)       |
 *          | outgoing stack arguments   |
 *          | the caller's area, 160     |  <- frame.sp = r15 at the callee's entry
 *
 * It is not for unwinding through.
 */
        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_frame
fz_frame:
        .skip   8

        .text
        .macro  FRAME                   /* r1 = fz_frame */
        larl    %r1, fz_frame
        lg      %r1, 0(%r1)
        .endm
        .macro  EACH_SAVED multiple, one, at /* all that a callee keeps, at r1 + at */
        \multiple %r6, %r13, \at(%r1)
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        \one    %f\n, \at + 8 * \n(%r1)
        .endr
        .endm

/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .balign 16
        .globl  fz_shim
        .type   fz_shim, %function
fz_shim:
        FRAME
        stmg    %r14, %r15, 8(%r1)
        EACH_SAVED stmg, std, 32
        stg     %r6, 160(%r1)
        stfpc   428(%r1)
        lfpc    424(%r1)
        EACH_SAVED lmg, ld, 160
        .irp    n, 1, 3, 5, 7
        ld      %f\n, 24(%r1)
        .endr
        lg      %r0, 24(%r1)
        lg      %r1, 0(%r1)
        basr    %r14, %r1
        FRAME
        stg     %r15, 416(%r1)
        lg      %r15, 16(%r1)
        EACH_SAVED stmg, std, 288
        stfpc   432(%r1)
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * r3 = where, r4 = end, r5 = the canary, r0 = found */
        lgr     %r3, %r15
        lg      %r4, 440(%r1)
        larl    %r5, fz_guard
        lghi    %r0, 0
1:      clgr    %r3, %r4
        jnl     3f
        clc     0(64, %r3), 0(%r5)
        jne     2f
        aghi    %r0, 1
2:      la      %r3, 8(%r3)
        j       1b
3:      stg     %r0, 448(%r1)
        lfpc    428(%r1)
        EACH_SAVED lmg, ld, 32
        lg      %r14, 8(%r1)
        br      %r14
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what the s390x ELF ABI demands. */
        .globl  fz_clobber
        .type   fz_clobber, %function
fz_clobber:
        larl    %r1, 1f
        lg      %r0, 0(%r1)
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
        ld      %f\n, 0(%r1)
        .endr
        .irp    n, 1, 2, 3, 4, 5
        lgr     %r\n, %r0
        .endr
        br      %r14
        .size   fz_clobber, . - fz_clobber
        .section .rodata
        .balign 8
1:      .quad   0xc10bbe4ec10bbe4e
