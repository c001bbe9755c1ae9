/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): x0 .. x30 are loaded from probe_in[], except x16, which holds `code` (that is
 * put into probe_in[16], so that it is known); the flags from probe_flags_in. The target keeps all
 * registers below the stack pointer before it uses any, copies them to probe_out[], and returns by
 * what probe_call left in memory: x30 may have been the trampoline's data register.
 */
        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        hint    #34                             /* bti c */
        stp     x29, x30, [sp, #-96]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        adrp    x1, probe_sp
        mov     x2, sp
        str     x2, [x1, :lo12:probe_sp]
        adrp    x1, probe_which
        mov     x2, #-1
        str     x2, [x1, :lo12:probe_which]
        adrp    x1, probe_flags_in
        ldr     x2, [x1, :lo12:probe_flags_in]
        msr     nzcv, x2
        adrp    x1, probe_in
        add     x1, x1, :lo12:probe_in
        str     x0, [x1, #16 * 8]
        ldp     x2, x3, [x1, #2 * 8]
        ldp     x4, x5, [x1, #4 * 8]
        ldp     x6, x7, [x1, #6 * 8]
        ldp     x8, x9, [x1, #8 * 8]
        ldp     x10, x11, [x1, #10 * 8]
        ldp     x12, x13, [x1, #12 * 8]
        ldp     x14, x15, [x1, #14 * 8]
        ldp     x16, x17, [x1, #16 * 8]
        ldp     x18, x19, [x1, #18 * 8]
        ldp     x20, x21, [x1, #20 * 8]
        ldp     x22, x23, [x1, #22 * 8]
        ldp     x24, x25, [x1, #24 * 8]
        ldp     x26, x27, [x1, #26 * 8]
        ldp     x28, x29, [x1, #28 * 8]
        ldr     x30, [x1, #30 * 8]
        ldp     x0, x1, [x1]
        br      x16
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        hint    #38                             /* bti jc: any register may have been jumped by */
        stp     x0, x1, [sp, #-256]!
        mov     x0, #\n
        b       keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        stp     x2, x3, [sp, #2 * 8]
        stp     x4, x5, [sp, #4 * 8]
        stp     x6, x7, [sp, #6 * 8]
        stp     x8, x9, [sp, #8 * 8]
        stp     x10, x11, [sp, #10 * 8]
        stp     x12, x13, [sp, #12 * 8]
        stp     x14, x15, [sp, #14 * 8]
        stp     x16, x17, [sp, #16 * 8]
        stp     x18, x19, [sp, #18 * 8]
        stp     x20, x21, [sp, #20 * 8]
        stp     x22, x23, [sp, #22 * 8]
        stp     x24, x25, [sp, #24 * 8]
        stp     x26, x27, [sp, #26 * 8]
        stp     x28, x29, [sp, #28 * 8]
        add     x2, sp, #256
        stp     x30, x2, [sp, #30 * 8]          /* [31]: sp on arrival */
        mrs     x3, nzcv
        adrp    x1, probe_flags_out
        str     x3, [x1, :lo12:probe_flags_out]
        adrp    x1, probe_which
        str     x0, [x1, :lo12:probe_which]
        adrp    x1, probe_out
        add     x1, x1, :lo12:probe_out
        mov     x2, #0
1:      ldr     x3, [sp, x2, lsl #3]
        str     x3, [x1, x2, lsl #3]
        add     x2, x2, #1
        cmp     x2, #32
        b.ne    1b
        adrp    x1, probe_sp
        ldr     x2, [x1, :lo12:probe_sp]
        adrp    x1, probe_in
        add     x1, x1, :lo12:probe_in
        str     x2, [x1, #31 * 8]               /* what sp should have been */
        mov     sp, x2
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp], #96
        ret

        .bss
        .balign 8
probe_sp:
        .skip   8
        .section .note.GNU-stack, "", %progbits
