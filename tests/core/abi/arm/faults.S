/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of AAPCS32 */
#include "../faults.h"

        .syntax unified
        .arm

        .macro  ADDRESS r, of           /* of a symbol, whatever this is linked into */
        ldr     \r, 7f
8:      add     \r, pc, \r
        b       9f
7:      .word   \of - (8b + 8)
9:
        .endm
        .macro  FAULT name
        THUNK   \name
        ADDRESS ip, ret_to
        str     lr, [ip]
        ADDRESS ip, fz_real
        ldr     ip, [ip]
        blx     ip
        ADDRESS ip, ret_to
        ldr     lr, [ip]
        .endm

        .irp    reg, r4, r5, r6, r7, r8, r9, r10, r11
        FAULT   \reg
        mvn     \reg, \reg
        bx      lr
        .endr

#ifdef __ARM_PCS_VFP
        .irp    reg, d8, d9, d10, d11, d12, d13, d14, d15
        FAULT   \reg
        vneg.f64 \reg, \reg
        bx      lr
        .endr

        FAULT   fpscr                   /* the rounding mode */
        vmrs    ip, fpscr
        eor     ip, ip, #0x400000
        vmsr    fpscr, ip
        bx      lr

        FAULT   s0                      /* one bit of a floating result */
        vmov    ip, s0
        eor     ip, ip, #1
        vmov    s0, ip
        bx      lr
#endif

        FAULT   sp
        sub     sp, sp, #16
        bx      lr

        FAULT   r0
        mvn     r0, r0
        bx      lr

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        eor     r0, r0, #0xaa000000
        bx      lr

        FAULT   canary                  /* find the guard above the arguments and hit it */
        ADDRESS ip, fz_frame
        ldr     ip, [ip]
        ldr     r2, [ip, #412]          /* 0 in a plain call: there is no guard */
        ADDRESS r3, fz_magic
        ldr     r3, [r3]
        mov     ip, sp
1:      cmp     ip, r2
        bhs     3f
        ldr     r1, [ip]
        cmp     r1, r3
        beq     2f
        add     ip, ip, #4
        b       1b
2:      mvn     r1, r1
        str     r1, [ip]
3:      bx      lr

#ifdef __ARM_PCS_VFP
        FAULTS  r4, r5, r6, r7, r8, r9, r10, r11, sp, r0, extend, canary, d8, d9, d10, d11, d12, d13, d14, d15, fpscr, s0
#else
        FAULTS  r4, r5, r6, r7, r8, r9, r10, r11, sp, r0, extend, canary
#endif
