/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): r0 .. r14 but sp are loaded from the lower halves in probe_in[], except ip,
 * which holds `code` (that is put into probe_in[12], so that it is known); the flags from
 * probe_flags_in. The target keeps all registers below the stack pointer before it uses any, copies
 * them to probe_out[], and returns by what probe_call left in memory.
 */
        .syntax unified
        .arm
        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        push    {r4-r11, lr}
        ldr     r1, =probe_sp
        str     sp, [r1]
        ldr     r1, =probe_which
        mvn     r2, #0
        str     r2, [r1]
        str     r2, [r1, #4]
        ldr     r1, =probe_flags_in
        ldr     r2, [r1]
        msr     cpsr_f, r2
        ldr     ip, =probe_in
        str     r0, [ip, #12 * 8]
        str     sp, [ip, #13 * 8]               /* what sp will be on arrival */
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14
        ldr     r\n, [ip, #\n * 8]
        .endr
        ldr     ip, [ip, #12 * 8]
        bx      ip
        .ltorg
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        sub     sp, sp, #64
        stm     sp, {r0-r12}
        mov     r0, #\n
        b       keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        str     lr, [sp, #14 * 4]
        add     r1, sp, #64
        str     r1, [sp, #13 * 4]
        mrs     r2, cpsr
        ldr     r1, =probe_flags_out
        str     r2, [r1]
        ldr     r1, =probe_which
        mov     r2, #0
        str     r0, [r1]
        str     r2, [r1, #4]
        ldr     r1, =probe_out
        mov     r2, #15
1:      ldr     r3, [sp], #4
        str     r3, [r1], #8
        subs    r2, r2, #1
        bne     1b
        ldr     r1, =probe_sp
        ldr     sp, [r1]
        pop     {r4-r11, pc}
        .ltorg

        .bss
        .balign 4
probe_sp:
        .skip   4
        .section .note.GNU-stack, "", %progbits
