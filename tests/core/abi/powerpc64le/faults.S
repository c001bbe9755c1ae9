/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of the 64-bit ELF V2 ABI
 *
 * In: r12 = the thunk, besides what faults.h says.
 */
#include "../faults.h"

        .abiversion 2

        .macro  HERE                    /* r12 = 8:; LR is spent */
        bcl     20, 31, 8f
8:      mflr    %r12
        .endm
        .macro  AT r, symbol            /* r = symbol, from HERE */
        addis   \r, %r12, (\symbol - 8b)@ha
        addi    \r, \r, (\symbol - 8b)@l
        .endm
        .macro  FAULT name
        THUNK   \name
        mflr    %r0
        HERE
        AT      %r11, ret_to
        std     %r0, 0(%r11)
        AT      %r11, fz_real
        ld      %r12, 0(%r11)
        mtctr   %r12
        bctrl
        HERE
        AT      %r11, ret_to
        ld      %r0, 0(%r11)
        mtlr    %r0
        .endm

        .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        FAULT   r\n
        not     %r\n, %r\n
        blr
        FAULT   f\n
        fneg    %f\n, %f\n
        blr
        .endr

        .irp    n, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        FAULT   v\n
        vnor    %v\n, %v\n, %v\n
        blr
        .endr

        FAULT   cr
        crnot   10, 10
        blr

        FAULT   fpscr                   /* the rounding mode */
        mffs    %f0
        mfvsrd  %r0, %vs0
        xori    %r0, %r0, 1
        mtvsrd  %vs0, %r0
        mtfsf   255, %f0
        blr

        FAULT   sp
        addi    %r1, %r1, -16
        blr

        FAULT   r3
        not     %r3, %r3
        blr

        FAULT   f1
        fneg    %f1, %f1
        blr

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        xoris   %r3, %r3, 0xaaaa
        blr

        FAULT   canary                  /* find the guard above the arguments and hit it */
        AT      %r11, fz_frame
        ld      %r11, 0(%r11)
        ld      %r10, 1528(%r11)        /* 0 in a plain call: there is no guard */
        AT      %r11, fz_magic
        ld      %r11, 0(%r11)
        mr      %r9, %r1
1:      cmpld   %r9, %r10
        bge     3f
        ld      %r8, 0(%r9)
        cmpd    %r8, %r11
        beq     2f
        addi    %r9, %r9, 8
        b       1b
2:      not     %r8, %r8
        std     %r8, 0(%r9)
3:      blr

        FAULTS  r14, r15, r16, r17, r18, r19, r20, r21, r22, r23, r24, r25, r26, r27, r28, r29, r30, r31, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, v20, v21, v22, v23, v24, v25, v26, v27, v28, v29, v30, v31, cr, fpscr, sp, r3, f1, extend, canary
