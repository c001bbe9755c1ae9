/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of AAPCS64 */
#include "../faults.h"

        .macro  FAULT name
        THUNK   \name
        hint    34                      /* bti c */
        adrp    x16, ret_to
        str     x30, [x16, :lo12:ret_to]
        adrp    x16, fz_real
        ldr     x16, [x16, :lo12:fz_real]
        blr     x16
        adrp    x16, ret_to
        ldr     x30, [x16, :lo12:ret_to]
        .endm

        .irp    reg, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29
        FAULT   \reg
        mvn     \reg, \reg
        ret
        .endr

        .irp    reg, d8, d9, d10, d11, d12, d13, d14, d15
        FAULT   \reg
        fmov    x9, \reg
        mvn     x9, x9
        fmov    \reg, x9
        ret
        .endr

        FAULT   fpcr                    /* the rounding mode */
        mrs     x9, fpcr
        eor     x9, x9, 0x400000
        msr     fpcr, x9
        ret

        FAULT   sp
        sub     sp, sp, 16
        ret

        FAULT   x0
        mvn     x0, x0
        ret

        FAULT   v0                      /* one bit of a floating result */
        fmov    x9, d0
        eor     x9, x9, 1
        fmov    d0, x9
        ret

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        movz    x9, 0xaaaa, lsl 16
        eor     x0, x0, x9
        ret

        FAULT   canary                  /* find the guard above the arguments and hit it */
        adrp    x16, fz_frame
        ldr     x16, [x16, :lo12:fz_frame]
        ldr     x10, [x16, 560]         /* 0 in a plain call: there is no guard */
        adrp    x11, fz_magic
        ldr     x11, [x11, :lo12:fz_magic]
        mov     x9, sp
1:      cmp     x9, x10
        b.hs    3f
        ldr     x12, [x9]
        cmp     x11, x12
        b.eq    2f
        add     x9, x9, 8
        b       1b
2:      mvn     x12, x12
        str     x12, [x9]
3:      ret

        FAULTS  x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, d8, d9, d10, d11, d12, d13, d14, d15, fpcr, sp, x0, v0, extend, canary
