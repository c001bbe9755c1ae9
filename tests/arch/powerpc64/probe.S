/* SPDX-License-Identifier: MIT */
/* probe.S - ELFv1: entries that look at the registers (probe.h)
 *
 * r13 is the thread's, and r0 and r12 are spent on the way: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    mr %r3, %r2
    blr
FS_END(probe_self)

/* In: r2 = slot, CTR = here, because the jump is by it. */
FS_FUNC(probe_entry)
    mfctr %r12
    addis %r12, %r12, (probe_regs - .Lcode_probe_entry)@ha
    addi %r12, %r12, (probe_regs - .Lcode_probe_entry)@l
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std %r\n, \n * 8(%r12)
    .endr
    blr
FS_END(probe_entry)

/* In: r3 = code, r4 = in. Out: r3 = r1 at the call. */
FS_FUNC(probe_call)
    mflr %r0
    std %r0, 16(%r1)
    .cfi_offset lr, 16
    stdu %r1, -256(%r1)
    .cfi_def_cfa_offset 256
    std %r2, 40(%r1)
    .irp n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std %r\n, 112 + (\n - 14) * 8(%r1)
    .endr
    ld %r0, 0(%r3)
    mtctr %r0
    ld %r2, 8(%r3)
    mr %r12, %r4
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld %r\n, \n * 8(%r12)
    .endr
    bctrl
    mr %r3, %r1
    .irp n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld %r\n, 112 + (\n - 14) * 8(%r1)
    .endr
    ld %r2, 40(%r1)
    addi %r1, %r1, 256
    .cfi_def_cfa_offset 0
    ld %r0, 16(%r1)
    mtlr %r0
    blr
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0xffffcff8
probe_r:    .quad 2
probe_sp:   .quad 1
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
