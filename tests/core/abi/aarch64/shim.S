/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there: what it keeps is in the
 * frame (shim.h).
 *
 *          | canary (dirty calls)       |
 *          | outgoing stack arguments   |  <- frame.sp = sp at the callee's entry
 *
 * It is not for unwinding through. sp is 16-byte aligned all along.
 */
        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_frame
fz_frame:
        .skip   8

        .text
        .macro  FRAME                   /* x16 = fz_frame */
        adrp    x16, fz_frame
        ldr     x16, [x16, :lo12:fz_frame]
        .endm
        .macro  EACH_SAVED op, at       /* ldp or stp of all that a callee keeps, at x16 + at */
        \op     x19, x20, [x16, \at]
        \op     x21, x22, [x16, \at + 16]
        \op     x23, x24, [x16, \at + 32]
        \op     x25, x26, [x16, \at + 48]
        \op     x27, x28, [x16, \at + 64]
        \op     d8, d9, [x16, \at + 88]
        \op     d10, d11, [x16, \at + 104]
        \op     d12, d13, [x16, \at + 120]
        \op     d14, d15, [x16, \at + 136]
        .endm

/* void fz_shim(...)   In: fz_frame, all argument registers, x8.  Out: the callee's results. */
        .balign 16
        .globl  fz_shim
        .type   fz_shim, %function
fz_shim:
        hint    34                      /* bti c */
        FRAME
        mov     x17, sp
        stp     x30, x17, [x16, 8]
        EACH_SAVED stp, 48
        str     x29, [x16, 48 + 80]
        mrs     x17, fpcr
        str     x17, [x16, 544]
        ldr     x17, [x16, 536]
        msr     fpcr, x17
        EACH_SAVED ldp, 208
        ldr     x29, [x16, 208 + 80]
        ldr     q16, [x16, 32]
        .irp    n, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        mov     v\n\().16b, v16.16b
        .endr
        ldr     x17, [x16, 24]
        .irp    n, 9, 10, 11, 12, 13, 14, 15, 18
        mov     x\n, x17
        .endr
        ldr     x16, [x16]
        blr     x16
        FRAME
        mov     x17, sp
        str     x17, [x16, 528]
        ldr     x17, [x16, 16]
        mov     sp, x17
        /* EACH_SAVED reaches 504 bytes */
        add     x16, x16, 368
        EACH_SAVED stp, 0
        str     x29, [x16, 80]
        sub     x16, x16, 368
        mrs     x17, fpcr
        str     x17, [x16, 552]
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * x9 = where, x10 = end, x11 = the canary's eight words, x12 = found */
        ldr     x9, [x16, 16]
        ldr     x10, [x16, 560]
        adrp    x11, fz_guard
        add     x11, x11, :lo12:fz_guard
        mov     x12, 0
1:      cmp     x9, x10
        b.hs    4f
        mov     x13, 56
2:      ldr     x14, [x11, x13]
        ldr     x15, [x9, x13]
        cmp     x14, x15
        b.ne    3f
        subs    x13, x13, 8
        b.pl    2b
        add     x12, x12, 1
3:      add     x9, x9, 8
        b       1b
4:      str     x12, [x16, 568]
        ldr     x17, [x16, 544]
        msr     fpcr, x17
        EACH_SAVED ldp, 48
        ldr     x29, [x16, 48 + 80]
        ldr     x30, [x16, 8]
        ret
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what AAPCS64 demands; of v8 .. v15 that is the lower halves. */
        .globl  fz_clobber
        .type   fz_clobber, %function
fz_clobber:
        hint    34
        movz    x0, 0xbe4e
        movk    x0, 0xc10b, lsl 16
        orr     x0, x0, x0, lsl 32
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
        mov     x\n, x0
        .endr
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        dup     v\n\().2d, x0
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        mov     v\n\().d[1], x0
        .endr
        ret
        .size   fz_clobber, . - fz_clobber
