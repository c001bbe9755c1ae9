/* SPDX-License-Identifier: MIT */
/* probe.S - RISC-V: entries that look at the registers (probe.h)
 *
 * gp and tp belong to the system and ra to the call: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    mv a0, t1
    ret
FS_END(probe_self)

/* In: t1 = slot, t3 free. */
FS_FUNC(probe_entry)
    lla t3, probe_regs
    .irp n, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31
    sd x\n, \n * 8(t3)
    .endr
    ret
FS_END(probe_entry)

/* In: a0 = code, a1 = in. Out: a0 = sp at the call. */
FS_FUNC(probe_call)
    addi sp, sp, -112
    .cfi_def_cfa_offset 112
    sd ra, 0(sp)
    .cfi_offset ra, -112
    sd s0, 8(sp)
    sd s1, 16(sp)
    .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\n, (\n + 1) * 8(sp)
    .endr
    mv t3, a0
    mv t1, a1
    .irp n, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31
    ld x\n, \n * 8(t1)
    .endr
    jalr ra, 0(t3)
    mv a0, sp
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\n, (\n + 1) * 8(sp)
    .endr
    addi sp, sp, 112
    ret
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0xefffffa0
probe_r:    .quad 6
probe_sp:   .quad 2
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
