/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): x1 .. x31 are loaded from probe_in[], but the stack pointer, gp and tp, which a
 * signal's handler needs, and t3, which holds `code`. What these hold is put there, so that it is
 * known. The target keeps all registers
 * below the stack pointer before it uses any, copies them to probe_out[], and returns by what
 * probe_call left in memory.
 */
        .option norelax
        .macro  saved op
        \op     ra, 0(sp)
        \op     gp, 8(sp)
        \op     tp, 16(sp)
        \op     s0, 24(sp)
        \op     s1, 32(sp)
        \op     s2, 40(sp)
        \op     s3, 48(sp)
        \op     s4, 56(sp)
        \op     s5, 64(sp)
        \op     s6, 72(sp)
        \op     s7, 80(sp)
        \op     s8, 88(sp)
        \op     s9, 96(sp)
        \op     s10, 104(sp)
        \op     s11, 112(sp)
        .endm

        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        addi    sp, sp, -128
        saved   sd
        lla     a1, probe_sp
        sd      sp, 0(a1)
        lla     a1, probe_which
        li      a2, -1
        sd      a2, 0(a1)
        lla     t3, probe_in
        sd      a0, 28*8(t3)
        sd      sp, 2*8(t3)                     /* what sp will be on arrival */
        sd      zero, 0(t3)
        sd      gp, 3*8(t3)
        sd      tp, 4*8(t3)
        .irp    n, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31
        ld      x\n, \n*8(t3)
        .endr
        ld      t3, 28*8(t3)
        jr      t3
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        addi    sp, sp, -256
        sd      x5, 5*8(sp)
        li      x5, \n
        j       keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        .irp    n, 0, 1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        sd      x\n, \n*8(sp)
        .endr
        addi    t1, sp, 256
        sd      t1, 2*8(sp)
        lla     t1, probe_which
        sd      x5, 0(t1)
        lla     t1, probe_flags_out
        sd      zero, 0(t1)
        lla     t1, probe_out
        li      t2, 32
1:      ld      t4, 0(sp)
        sd      t4, 0(t1)
        addi    sp, sp, 8
        addi    t1, t1, 8
        addi    t2, t2, -1
        bnez    t2, 1b
        lla     t1, probe_sp
        ld      sp, 0(t1)
        saved   ld
        addi    sp, sp, 128
        ret

        .bss
        .balign 8
probe_sp:
        .skip   8
        .section .note.GNU-stack, "", %progbits
