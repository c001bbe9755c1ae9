/* SPDX-License-Identifier: MIT */
/* probe.S - AArch64: entries that look at the registers (probe.h)
 *
 * x18 is the platform's and x29, x30 are the frame's: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    mov x0, x17
    ret
FS_END(probe_self)

/* In: x17 = slot, x16 free. */
FS_FUNC(probe_entry)
    adrp x16, probe_regs
    add x16, x16, :lo12:probe_regs
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14
    stp x\n, x15, [x16, \n * 8]
    .endr
    .irp n, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    str x\n, [x16, \n * 8]
    .endr
    mov x0, sp
    str x0, [x16, 31 * 8]
    ret
FS_END(probe_entry)

/* In: x0 = code, x1 = in. Out: x0 = sp at the call. */
FS_FUNC(probe_call)
    stp x29, x30, [sp, -96]!
    .cfi_def_cfa_offset 96
    .cfi_offset x29, -96
    .cfi_offset x30, -88
    mov x29, sp
    stp x19, x20, [sp, 16]
    stp x21, x22, [sp, 32]
    stp x23, x24, [sp, 48]
    stp x25, x26, [sp, 64]
    stp x27, x28, [sp, 80]
    mov x16, x0
    mov x17, x1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    ldr x\n, [x17, \n * 8]
    .endr
    blr x16
    mov x0, sp
    ldp x19, x20, [sp, 16]
    ldp x21, x22, [sp, 32]
    ldp x23, x24, [sp, 48]
    ldp x25, x26, [sp, 64]
    ldp x27, x28, [sp, 80]
    ldp x29, x30, [sp], 96
    ret
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0x1ff8ffff
probe_r:    .quad 17
probe_sp:   .quad 31
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
