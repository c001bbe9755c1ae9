/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there: what it keeps is in the
 * frame (shim.h).
 *
 *          | canary (dirty calls)       |
 *          | outgoing stack arguments   |  <- frame.sp = sp at the callee's entry
 *
 * It is not for unwinding through.
 */
        .syntax unified
        .arm
        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_frame
fz_frame:
        .skip   4

        .text
        .macro  FRAME                   /* ip = fz_frame */
        ldr     ip, 7f
8:      ldr     ip, [pc, ip]
        b       9f
7:      .word   fz_frame - (8b + 8)
9:
        .endm
        .macro  EACH_SAVED op, vop, at  /* str and vstmia, or ldr and vldmia; spent: lr */
        .set    fz_k, 0
        .irp    r, r4, r5, r6, r7, r8, r9, r10, r11
        \op     \r, [ip, #\at + 8 * fz_k]
        .set    fz_k, fz_k + 1
        .endr
#ifdef __ARM_PCS_VFP
        add     lr, ip, #\at
        add     lr, lr, #64
        \vop    lr, {d8-d15}
#endif
        .endm
        .macro  FPSCR from, to          /* keep the one, set the other; spent: lr */
#ifdef __ARM_PCS_VFP
        vmrs    lr, fpscr
        str     lr, [ip, #\from]
        ldr     lr, [ip, #\to]
        vmsr    fpscr, lr
#endif
        .endm

/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .balign 16
        .globl  fz_shim
        .type   fz_shim, %function
fz_shim:
        FRAME
        str     lr, [ip, #4]
        str     sp, [ip, #8]
        str     r0, [ip, #420]
        EACH_SAVED str, vstmia, 16
        FPSCR   404, 400
        EACH_SAVED ldr, vldmia, 144
        ldr     lr, [ip]
        mov     ip, lr
        blx     ip
        FRAME
        str     sp, [ip, #12]
        str     r0, [ip, #424]
        ldr     sp, [ip, #8]
        EACH_SAVED str, vstmia, 272
        FPSCR   408, 404
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * r4 = where, r5 = end, r6 = the canary's eight words of 8 bytes, r7 = found */
        ldr     r4, [ip, #8]
        ldr     r5, [ip, #412]
        ldr     r6, 6f
5:      add     r6, pc, r6
        mov     r7, #0
1:      cmp     r4, r5
        bhs     4f
        mov     r8, #60
2:      ldr     r9, [r6, r8]
        ldr     r10, [r4, r8]
        cmp     r9, r10
        bne     3f
        subs    r8, r8, #4
        bpl     2b
        add     r7, r7, #1
3:      add     r4, r4, #4
        b       1b
6:      .word   fz_guard - (5b + 8)
4:      str     r7, [ip, #416]
        EACH_SAVED ldr, vldmia, 16
        ldr     lr, [ip, #4]
        bx      lr
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what AAPCS32 demands. */
        .globl  fz_clobber
        .type   fz_clobber, %function
fz_clobber:
        mvn     r0, #0x3e80
        eor     r0, r0, #0xc1000000
        .irp    r, r1, r2, r3, ip
        mov     \r, r0
        .endr
#ifdef __ARM_PCS_VFP
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
        vmov    d\n, r0, r1
        .endr
#endif
        bx      lr
        .size   fz_clobber, . - fz_clobber
