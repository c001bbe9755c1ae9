/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of the s390x ELF ABI */
#include "../faults.h"

        .macro  FAULT name
        THUNK   \name
        larl    %r1, ret_to
        stg     %r14, 0(%r1)
        larl    %r1, fz_real
        lg      %r1, 0(%r1)
        basr    %r14, %r1
        larl    %r1, ret_to
        lg      %r14, 0(%r1)
        lghi    %r1, -1
        .endm

        .irp    reg, r6, r7, r8, r9, r10, r11, r12, r13, r2
        FAULT   \reg
        xgr     %\reg, %r1
        br      %r14
        .endr

        .irp    reg, f8, f9, f10, f11, f12, f13, f14, f15, f0
        FAULT   \reg
        lcdbr   %\reg, %\reg
        br      %r14
        .endr

        FAULT   fpc                     /* the rounding mode */
        efpc    %r1
        xilf    %r1, 1
        sfpc    %r1
        br      %r14

        FAULT   sp
        aghi    %r15, -8
        br      %r14

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        xilf    %r2, 0xaaaa0000
        br      %r14

        FAULT   canary                  /* find the guard above the arguments and hit it */
        larl    %r1, fz_frame
        lg      %r1, 0(%r1)
        lg      %r4, 440(%r1)           /* 0 in a plain call: there is no guard */
        larl    %r5, fz_magic
        lgr     %r3, %r15
1:      clgr    %r3, %r4
        jnl     3f
        clc     0(8, %r3), 0(%r5)
        je      2f
        la      %r3, 8(%r3)
        j       1b
2:      xi      0(%r3), 0xff
3:      br      %r14

        FAULTS  r6, r7, r8, r9, r10, r11, r12, r13, f8, f9, f10, f11, f12, f13, f14, f15, fpc, sp, r2, f0, extend, canary
