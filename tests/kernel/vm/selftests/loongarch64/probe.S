/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): $r1 .. $r31 are loaded from probe_in[], but the stack pointer and tp, which a
 * signal's handler needs, and $t1, which holds `code`. What these hold is put there, so that it is
 * known. The target keeps all registers
 * below the stack pointer before it uses any, copies them to probe_out[], and returns by what
 * probe_call left in memory.
 */
        .macro  saved op
        \op     $ra, $sp, 0
        \op     $tp, $sp, 8
        \op     $r21, $sp, 16
        \op     $fp, $sp, 24
        \op     $s0, $sp, 32
        \op     $s1, $sp, 40
        \op     $s2, $sp, 48
        \op     $s3, $sp, 56
        \op     $s4, $sp, 64
        \op     $s5, $sp, 72
        \op     $s6, $sp, 80
        \op     $s7, $sp, 88
        \op     $s8, $sp, 96
        .endm

        .text
        .globl  probe_call
        .type   probe_call, %function
probe_call:
        addi.d  $sp, $sp, -112
        saved   st.d
        la.local $a1, probe_sp
        st.d    $sp, $a1, 0
        la.local $a1, probe_which
        addi.d  $a2, $zero, -1
        st.d    $a2, $a1, 0
        la.local $t1, probe_in
        st.d    $a0, $t1, 13*8
        st.d    $sp, $t1, 3*8                   /* what sp will be on arrival */
        st.d    $zero, $t1, 0
        st.d    $tp, $t1, 2*8
        .irp    n, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ld.d    $r\n, $t1, \n*8
        .endr
        ld.d    $t1, $t1, 13*8
        jr      $t1
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, %function
probe_target\n:
        addi.d  $sp, $sp, -256
        st.d    $t0, $sp, 12*8
        addi.w  $t0, $zero, \n
        b       keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        .irp    n, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        st.d    $r\n, $sp, \n*8
        .endr
        addi.d  $t1, $sp, 256
        st.d    $t1, $sp, 3*8
        la.local $t1, probe_which
        st.d    $t0, $t1, 0
        la.local $t1, probe_flags_out
        st.d    $zero, $t1, 0
        la.local $t1, probe_out
        addi.w  $t2, $zero, 32
1:      ld.d    $t3, $sp, 0
        st.d    $t3, $t1, 0
        addi.d  $sp, $sp, 8
        addi.d  $t1, $t1, 8
        addi.d  $t2, $t2, -1
        bnez    $t2, 1b
        la.local $t1, probe_sp
        ld.d    $sp, $t1, 0
        saved   ld.d
        addi.d  $sp, $sp, 112
        jr      $ra
        .size   keep, . - keep

        .bss
        .balign 8
probe_sp:
        .skip   8
        .section .note.GNU-stack, "", %progbits
