/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that call the real closure and then break one promise of the psABI
 *
 * RISC-V and LoongArch; faults.S of either includes this after its names.h, and then lists the rows.
 * The fuzzer's self-test puts each between shim and closure and demands that the checks name it.
 * In: fz_real, the closure's code; the caller's arguments.  Not reentrant.
 */
        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_real
fz_real:
        .skip   8
ret_to:
        .skip   8

        .text
.macro  FAULT name
        .balign 4
        .globl  fault_\name
        .type   fault_\name, %function
fault_\name:
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

.macro  ROW name
        .section .rodata
9:      .string "\name"
        .section .data.rel.ro, "aw"
        .quad   9b, fault_\name
.endm
        .section .data.rel.ro, "aw"
        .balign 8
        .globl  fz_faults
fz_faults:
