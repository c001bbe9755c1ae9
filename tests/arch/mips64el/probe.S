/* SPDX-License-Identifier: MIT */
/* probe.S - MIPS n64: entries that look at the registers (probe.h)
 *
 * k0 and k1 belong to the system, $25 and ra to the call: they are neither loaded nor compared.
 */
#include "arch.h"

    FS_ASM_BEGIN
    .text
FS_FUNC(probe_self)
    jr $31
    move $2, $12
FS_END(probe_self)

/* In: $12 = slot, $25 = here, because the jump is by it. $gp is the caller's: it is put back. */
FS_FUNC(probe_entry)
    daddiu $sp, $sp, -16
    .cfi_def_cfa_offset 16
    sd $gp, 0($sp)
    lui $gp, %hi(%neg(%gp_rel(probe_entry)))
    daddu $gp, $gp, $25
    daddiu $gp, $gp, %lo(%neg(%gp_rel(probe_entry)))
    ld $25, %got_disp(probe_regs)($gp)
    ld $gp, 0($sp)
    daddiu $sp, $sp, 16
    .cfi_def_cfa_offset 0
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 29, 30
    sd $\n, \n * 8($25)
    .endr
    jr $31
    nop
FS_END(probe_entry)

/* In: a0 = code, a1 = in. Out: v0 = sp at the call. */
FS_FUNC(probe_call)
    daddiu $sp, $sp, -96
    .cfi_def_cfa_offset 96
    sd $31, 0($sp)
    .cfi_offset 31, -96
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23
    sd $\n, (\n - 15) * 8($sp)
    .endr
    sd $28, 72($sp)
    sd $30, 80($sp)
    move $25, $4
    move $12, $5
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 30
    ld $\n, \n * 8($12)
    .endr
    jalr $25
    nop
    move $2, $sp
    ld $31, 0($sp)
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23
    ld $\n, (\n - 15) * 8($sp)
    .endr
    ld $28, 72($sp)
    ld $30, 80($sp)
    jr $31
    daddiu $sp, $sp, 96
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0x51ffeffe
probe_r:    .quad 12
probe_sp:   .quad 29
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
