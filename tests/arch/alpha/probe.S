/* SPDX-License-Identifier: MIT */
/* probe.S - Alpha: entries that look at the registers (probe.h)
 *
 * $26 and $27 belong to the call: they are neither loaded nor compared.
 */
#include "arch.h"

    FS_ASM_BEGIN
    .text
FS_FUNC(probe_self)
    bis $31, $1, $0
    ret $31, ($26), 1
FS_END(probe_self)

/* In: $1 = slot, $27 = here. $29 is the caller's: it is put back. */
FS_FUNC(probe_entry)
    lda $30, -16($30)
    .cfi_def_cfa_offset 16
    stq $29, 0($30)
    lda $27, 12($27)
    ldah $29, 0($27) !gpdisp!1 /* which wants its own address */
    lda $29, 0($29) !gpdisp!1
    ldq $27, probe_regs($29) !literal
    ldq $29, 0($30)
    lda $30, 16($30)
    .cfi_def_cfa_offset 0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29, 30
    stq $\n, \n * 8($27)
    .endr
    ret $31, ($26), 1
FS_END(probe_entry)

/* In: $16 = code, $17 = in. Out: $0 = $30 at the call. */
FS_FUNC(probe_call)
    lda $30, -80($30)
    .cfi_def_cfa_offset 80
    stq $26, 0($30)
    .cfi_offset 26, -80
    .irp n, 9, 10, 11, 12, 13, 14, 15
    stq $\n, (\n - 8) * 8($30)
    .endr
    stq $29, 64($30)
    bis $31, $16, $27
    bis $31, $17, $1
    .irp n, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29
    ldq $\n, \n * 8($1)
    .endr
    jsr $26, ($27), 0
    bis $31, $30, $0
    ldq $26, 0($30)
    .irp n, 9, 10, 11, 12, 13, 14, 15
    ldq $\n, (\n - 8) * 8($30)
    .endr
    ldq $29, 64($30)
    lda $30, 80($30)
    ret $31, ($26), 1
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0x33fffffd
probe_r:    .quad 1
probe_sp:   .quad 30
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
