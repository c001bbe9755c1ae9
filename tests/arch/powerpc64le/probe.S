/* SPDX-License-Identifier: MIT */
/* probe.S - ELFv2: entries that look at the registers (probe.h)
 *
 * r13 is the thread's and r12 the call's: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    mr %r3, %r11
    blr
FS_END(probe_self)

/* In: r11 = slot, r12 = here. */
FS_FUNC(probe_entry)
    addis %r12, %r12, (probe_regs - probe_entry)@ha
    addi %r12, %r12, (probe_regs - probe_entry)@l
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std %r\n, \n * 8(%r12)
    .endr
    blr
FS_END(probe_entry)

/* In: r3 = code, r4 = in. Out: r3 = r1 at the call. */
FS_FUNC(probe_call)
    mflr %r0
    std %r0, 16(%r1)
    .cfi_offset 65, 16
    std %r2, 24(%r1)
    stdu %r1, -176(%r1)
    .cfi_def_cfa_offset 176
    .irp n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std %r\n, 32 + (\n - 14) * 8(%r1)
    .endr
    mr %r12, %r3
    mtctr %r12
    mr %r11, %r4
    .irp n, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld %r\n, \n * 8(%r11)
    .endr
    bctrl
    mr %r3, %r1
    .irp n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld %r\n, 32 + (\n - 14) * 8(%r1)
    .endr
    addi %r1, %r1, 176
    .cfi_def_cfa_offset 0
    ld %r2, 24(%r1)
    ld %r0, 16(%r1)
    mtlr %r0
    blr
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0xffffc7fd
probe_r:    .quad 11
probe_sp:   .quad 1
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
