/* SPDX-License-Identifier: MIT */
/* faults.S - RISC-V and LoongArch: thunks that break one promise each of the psABI
 *
 * faults.S of either includes this after its names.h, and then lists the names.
 */
#include "../faults.h"

.macro  FAULT name
        THUNK   \name
        LA(T0, ret_to)
        SD(RA, 0, T0)
        LA(T0, fz_real)
        LD(T0, 0, T0)
        JALR(T0)
        LA(T0, ret_to)
        LD(RA, 0, T0)
.endm

        .irp    reg, SAVED_G
        FAULT   \reg
        NOT(R(\reg))
        RET
        .endr

#if HAS_FLOATS
        .irp    reg, SAVED_F
        FAULT   \reg
        FROM_F(T0, R(\reg))
        NOT(T0)
        TO_F(R(\reg), T0)
        RET
        .endr

        FAULT   fcsr                    /* the rounding mode */
        GET_FCSR(T0)
        LI(T1, ROUNDING)
        XOR(T0, T0, T1)
        SET_FCSR(T0)
        RET

        FAULT   fa0                     /* one bit of a floating result */
        FROM_F(T0, R(fa0))
        LI(T1, 1)
        XOR(T0, T0, T1)
        TO_F(R(fa0), T0)
        RET
#endif

        FAULT   sp
        ADDI(SP, SP, -16)
        RET

        FAULT   a0
        NOT(R(a0))
        RET

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        LI(T0, 0x2aaa0000)
        XOR(R(a0), R(a0), T0)
        RET

        FAULT   canary                  /* find the guard above the arguments and hit it */
        LA(T0, fz_frame)
        LD(T0, 0, T0)
        LD(T1, 656, T0)                 /* 0 in a plain call: there is no guard */
        LA(T2, fz_magic)
        LD(T2, 0, T2)
        MV(T0, SP)
1:      BGEU(T0, T1, 3f)
        LD(T3, 0, T0)
        BNE(T3, T2, 2f)
        NOT(T3)
        SD(T3, 0, T0)
        RET
2:      ADDI(T0, T0, 8)
        J(1b)
3:      RET
