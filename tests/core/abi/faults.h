/* SPDX-License-Identifier: MIT */
/* faults.h - what every faults.S consists of: thunks that call the real closure and break a promise
 *
 * Not a header for C. The fuzzer's self-test puts each thunk between the shim and the closure, and
 * demands that the checks name the promise that the thunk breaks.
 * In: fz_real, the closure's code; the caller's arguments. Not reentrant.
 *
 *   ret_to          where a thunk keeps the return address while the closure runs
 *   THUNK name      the head of a thunk
 *   FAULTS names    the table of thunks, by their names, at the end of the file
 */
/* clang-format off */
#ifdef __LP64__
#define WORD .quad
#else
#define WORD .long
#endif

        .section .note.GNU-stack, "", %progbits
        .bss
        .balign 8
        .globl  fz_real
fz_real:
        WORD    0
ret_to:
        WORD    0

        .macro  THUNK name
        .balign 8
        .globl  fault_\name
        .type   fault_\name, %function
fault_\name:
        .endm

        .macro  ROW name
        WORD    9f, fault_\name
        .section .rodata
9:      .string "\name"
        .section .data.rel.ro, "aw"
        .endm

        .macro  FAULTS names:vararg
        .section .data.rel.ro, "aw"
        .balign 8
        .globl  fz_faults
fz_faults:
        .irp    each, \names
        ROW     \each
        .endr
        WORD    0, 0
        .endm

        .text
