/* SPDX-License-Identifier: MIT */
/* probe.S - LoongArch: entries that look at the registers (probe.h)
 *
 * $tp and $r21 belong to the system and $ra to the call: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    move $a0, $t0
    ret
FS_END(probe_self)

/* In: t0 = slot, t1 free. */
FS_FUNC(probe_entry)
    la.pcrel $t1, probe_regs
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    st.d $r\n, $t1, \n * 8
    .endr
    ret
FS_END(probe_entry)

/* In: a0 = code, a1 = in. Out: a0 = sp at the call. */
FS_FUNC(probe_call)
    addi.d $sp, $sp, -96
    .cfi_def_cfa_offset 96
    st.d $ra, $sp, 0
    .cfi_offset 1, -96
    .irp n, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    st.d $r\n, $sp, (\n - 21) * 8
    .endr
    move $t1, $a0
    move $t0, $a1
    .irp n, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld.d $r\n, $t0, \n * 8
    .endr
    jirl $ra, $t1, 0
    move $a0, $sp
    .irp n, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld.d $r\n, $sp, (\n - 21) * 8
    .endr
    ld.d $ra, $sp, 0
    addi.d $sp, $sp, 96
    .cfi_def_cfa_offset 0
    ret
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0xffdfcff0
probe_r:    .quad 12
probe_sp:   .quad 3
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
