/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): r0 .. r31 are loaded from probe_in[], but r1, r13, which is the thread's, and
 * r12, which holds `code`. What these hold is put there, so that it is known. The condition register
 * is loaded from probe_flags_in. The target keeps all registers below the stack pointer before it
 * uses any, copies them to probe_out[], and returns by what probe_call left in memory.
 */
        .abiversion 2
        .macro  address r, name
        addis   \r, \r, (\name - .Lhere)@ha
        addi    \r, \r, (\name - .Lhere)@l
        .endm

        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        mflr    %r0
        std     %r0, 16(%r1)
        mfcr    %r0
        std     %r0, 8(%r1)
        stdu    %r1, -192(%r1)
        std     %r2, 24(%r1)
        std     %r13, 176(%r1)
        .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        std     %r\n, 32 + (\n - 14) * 8(%r1)
        .endr
        mr      %r12, %r3
        mtctr   %r3
        bcl     20, 31, .Lhere
.Lhere: mflr    %r4
        mr      %r5, %r4
        address %r5, probe_sp
        std     %r1, 0(%r5)
        mr      %r5, %r4
        address %r5, probe_which
        li      %r6, -1
        std     %r6, 0(%r5)
        mr      %r5, %r4
        address %r5, probe_flags_in
        ld      %r6, 0(%r5)
        mtcr    %r6
        address %r4, probe_in
        std     %r1, 1 * 8(%r4)                 /* what r1 will be on arrival */
        std     %r12, 12 * 8(%r4)
        std     %r13, 13 * 8(%r4)
        .irp    n, 0, 2, 3, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ld      %r\n, \n * 8(%r4)
        .endr
        ld      %r4, 4 * 8(%r4)
        bctr
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        std     %r3, -256 + 3 * 8(%r1)
        li      %r3, \n
        b       keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        .irp    n, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        std     %r\n, -256 + \n * 8(%r1)
        .endr
        mfcr    %r6
        bcl     20, 31, .Lthere
.Lthere: mflr   %r4
        addi    %r4, %r4, .Lhere - .Lthere      /* as `address` counts */
        mr      %r5, %r4
        address %r5, probe_flags_out
        std     %r6, 0(%r5)
        mr      %r5, %r4
        address %r5, probe_which
        std     %r3, 0(%r5)
        mr      %r5, %r4
        address %r5, probe_out
        li      %r6, 32
        mtctr   %r6
        addi    %r7, %r1, -256 - 8
        addi    %r5, %r5, -8
1:      ldu     %r8, 8(%r7)
        stdu    %r8, 8(%r5)
        bdnz    1b
        address %r4, probe_sp
        ld      %r1, 0(%r4)
        .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ld      %r\n, 32 + (\n - 14) * 8(%r1)
        .endr
        ld      %r2, 24(%r1)
        ld      %r13, 176(%r1)
        addi    %r1, %r1, 192
        ld      %r0, 8(%r1)
        mtcr    %r0
        ld      %r0, 16(%r1)
        mtlr    %r0
        blr
        .size   keep, . - keep

        .bss
        .balign 8
probe_sp:
        .skip   8
        .section .note.GNU-stack, "", %progbits
