/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): r0 .. r14 are loaded from probe_in[], except r1, which holds `code` (that is put
 * into probe_in[1], so that it is known); the condition code from probe_flags_in. The target keeps
 * all registers in the frame below the stack pointer before it uses any, copies them to
 * probe_out[], and returns by what probe_call left in memory.
 */
        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        stmg    %r6, %r15, 48(%r15)
        aghi    %r15, -160
        larl    %r1, probe_sp
        stg     %r15, 0(%r1)
        larl    %r1, probe_which
        lghi    %r0, -1
        stg     %r0, 0(%r1)
        larl    %r1, probe_in
        stg     %r2, 8(%r1)
        stg     %r15, 15*8(%r1)                 /* what r15 will be on arrival */
        larl    %r3, probe_flags_in
        lg      %r3, 0(%r3)
        spm     %r3
        lmg     %r2, %r14, 16(%r1)
        lg      %r0, 0(%r1)
        lg      %r1, 8(%r1)
        br      %r1
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        stmg    %r0, %r15, -128(%r15)
        lghi    %r0, \n
        jg      keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        ipm     %r2
        llgfr   %r2, %r2
        larl    %r1, probe_flags_out
        stg     %r2, 0(%r1)
        larl    %r1, probe_which
        stg     %r0, 0(%r1)
        larl    %r1, probe_out
        lay     %r2, -128(%r15)
        mvc     0(128, %r1), 0(%r2)
        larl    %r1, probe_sp
        lg      %r15, 0(%r1)
        aghi    %r15, 160
        lmg     %r6, %r15, 48(%r15)
        br      %r14

        .bss
        .balign 8
probe_sp:
        .skip   8
        .section .note.GNU-stack, "", %progbits
