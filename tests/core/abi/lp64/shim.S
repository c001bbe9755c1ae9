/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * RISC-V and LoongArch; shim.S of either includes this after its names.h. It may not move the stack,
 * since the callee finds its arguments there: what it keeps is in the frame (shim.h).
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
.macro  FRAME                   /* T0 = fz_frame */
        LA(T0, fz_frame)
        LD(T0, 0, T0)
.endm
.macro  STORE_SAVED at          /* all that a callee keeps, at T0 + at */
        .set    fz_k, \at
        .irp    r, SAVED_G
        SD(R(\r), fz_k, T0)
        .set    fz_k, fz_k + 8
        .endr
#if HAS_FLOATS
        .irp    r, SAVED_F
        FSD(R(\r), fz_k, T0)
        .set    fz_k, fz_k + 8
        .endr
#endif
.endm
.macro  LOAD_SAVED at
        .set    fz_k, \at
        .irp    r, SAVED_G
        LD(R(\r), fz_k, T0)
        .set    fz_k, fz_k + 8
        .endr
#if HAS_FLOATS
        .irp    r, SAVED_F
        FLD(R(\r), fz_k, T0)
        .set    fz_k, fz_k + 8
        .endr
#endif
.endm
.macro  KEEP_FCSR at
#if HAS_FLOATS
        GET_FCSR(T1)
        SD(T1, \at, T0)
#endif
.endm
.macro  PUT_FCSR at
#if HAS_FLOATS
        LD(T1, \at, T0)
        SET_FCSR(T1)
#endif
.endm

/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .balign 16
        .globl  fz_shim
        .type   fz_shim, %function
fz_shim:
        FRAME
        SD(RA, 8, T0)
        SD(SP, 16, T0)
        STORE_SAVED 48
        KEEP_FCSR 640
        PUT_FCSR 632
        LOAD_SAVED 240
#if HAS_FLOATS
        .irp    r, SPARE_F
        FLD(R(\r), 32, T0)
        .endr
#endif
        .irp    r, SPARE_G
        LD(R(\r), 24, T0)
        .endr
        LD(T0, 0, T0)
        JALR(T0)
        FRAME
        SD(SP, 624, T0)
        LD(SP, 16, T0)
        STORE_SAVED 432
        KEEP_FCSR 648
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * T1 = where, T2 = end, T3 = the canary's eight words, T4 = found; a2, a3 */
        MV(T1, SP)
        LD(T2, 656, T0)
        LA(T3, fz_guard)
        MV(T4, ZERO)
1:      BGEU(T1, T2, 3f)
        .irp    k, 0, 8, 16, 24, 32, 40, 48, 56
        LD(R(a2), \k, T3)
        LD(R(a3), \k, T1)
        BNE(R(a2), R(a3), 2f)
        .endr
        ADDI(T4, T4, 1)
2:      ADDI(T1, T1, 8)
        J(1b)
3:      SD(T4, 664, T0)
        PUT_FCSR 640
        LOAD_SAVED 48
        LD(RA, 8, T0)
        RET
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what the psABI demands. */
        .globl  fz_clobber
        .type   fz_clobber, %function
fz_clobber:
        LI(R(a0), 0x1eadbe4e)
        SLLI(R(a1), R(a0), 32)
        ADD(R(a0), R(a0), R(a1))
        .irp    r, a1, a2, a3, a4, a5, a6, a7, SPARE_G
        MV(R(\r), R(a0))
        .endr
        MV(T0, R(a0))
#if HAS_FLOATS
        .irp    r, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7, SPARE_F
        TO_F(R(\r), R(a0))
        .endr
#endif
        RET
        .size   fz_clobber, . - fz_clobber
