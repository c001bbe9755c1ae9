/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there: what it keeps is in the
 * frame (shim.h).
 *
 *          | canary (dirty calls)       |
 *          | outgoing stack arguments   |
 *          | the caller's frame, 32     |  <- frame.sp = r1 at the callee's entry
 *
 * It is not for unwinding through. r2 is garbage during the call: a callee makes its own from r12.
 */
        .abiversion 2
        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_frame
fz_frame:
        .skip   8

        .text
        .macro  FRAME                   /* r11 = fz_frame; LR and r12 are spent */
        bcl     20, 31, 9f
9:      mflr    %r12
        addis   %r11, %r12, (fz_frame - 9b)@ha
        addi    %r11, %r11, (fz_frame - 9b)@l
        ld      %r11, 0(%r11)
        .endm
        /* All that a callee keeps, at r11 + at. Spent: r0, r12. */
        .macro  EACH_SAVED general, floating, vector, at
        .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        \general %r\n, \at + 8 * (\n - 14)(%r11)
        \floating %f\n, \at + 8 * (\n + 4)(%r11)
        .endr
        .irp    n, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63
        addi    %r12, %r11, \at + 16 * (\n - 34)
        \vector %vs\n, 0, %r12
        .endr
        .endm
        .macro  SAVE at
        EACH_SAVED std, stfd, stxvd2x, \at
        mfcr    %r0
        rlwinm  %r0, %r0, 0, 8, 19
        std     %r0, \at + 480(%r11)
        .endm
        .macro  LOAD at
        ld      %r0, \at + 480(%r11)
        mtcrf   0x38, %r0
        EACH_SAVED ld, lfd, lxvd2x, \at
        .endm

/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .balign 16
        .globl  fz_shim
        .type   fz_shim, %function
fz_shim:
        mflr    %r0
        FRAME
        std     %r0, 8(%r11)
        std     %r1, 16(%r11)
        std     %r2, 1544(%r11)
        SAVE    32
        mffs    %f0
        stfd    %f0, 1512(%r11)
        lfd     %f0, 1504(%r11)
        mtfsf   255, %f0
        LOAD    520
        lfd     %f0, 24(%r11)
        ld      %r0, 24(%r11)
        mtvsrd  %vs32, %r0
        .irp    n, 46, 47, 48, 49, 50, 51
        xxlor   %vs\n, %vs32, %vs32
        .endr
        mtcrf   0xc7, %r0
        mtxer   %r0
        mr      %r2, %r0
        ld      %r12, 0(%r11)
        mtctr   %r12
        mr      %r11, %r0
        bctrl
        FRAME
        std     %r1, 1496(%r11)
        ld      %r1, 16(%r11)
        SAVE    1008
        mffs    %f0
        stfd    %f0, 1520(%r11)
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * r5 = where, r6 = end, r7 = the canary's eight words, r8 = found */
        mr      %r5, %r1
        ld      %r6, 1528(%r11)
        bcl     20, 31, 5f
5:      mflr    %r12
        addis   %r7, %r12, (fz_guard - 5b)@ha
        addi    %r7, %r7, (fz_guard - 5b)@l
        li      %r8, 0
1:      cmpld   %r5, %r6
        bge     4f
        li      %r9, 56
2:      ldx     %r10, %r7, %r9
        ldx     %r0, %r5, %r9
        cmpd    %r10, %r0
        bne     3f
        addic.  %r9, %r9, -8
        bge     2b
        addi    %r8, %r8, 1
3:      addi    %r5, %r5, 8
        b       1b
4:      std     %r8, 1536(%r11)
        lfd     %f0, 1512(%r11)
        mtfsf   255, %f0
        LOAD    32
        ld      %r2, 1544(%r11)
        ld      %r0, 8(%r11)
        mtlr    %r0
        blr
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what the 64-bit ELF V2 ABI demands. r2 is the caller's here. */
        .globl  fz_clobber
        .type   fz_clobber, %function
fz_clobber:
        lis     %r0, 0xc10b
        ori     %r0, %r0, 0xbe4e
        .irp    n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
        mr      %r\n, %r0
        .endr
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
        mtvsrd  %vs\n, %r0
        .endr
        .irp    n, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51
        mtvsrd  %vs\n, %r0
        .endr
        mtctr   %r0
        mtxer   %r0
        mtcrf   0xc7, %r0
        blr
        .size   fz_clobber, . - fz_clobber
