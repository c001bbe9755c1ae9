/* SPDX-License-Identifier: MIT */
/* probe.S - 32-bit Power: entries that look at the registers (probe.h)
 *
 * r2 is the thread's and r13 the program's: they are neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    mr %r3, %r11
    blr
FS_END(probe_self)

/* In: r11 = slot, r12 = here, because the jump is by it. */
FS_FUNC(probe_entry)
    addis %r12, %r12, (probe_regs - probe_entry)@ha
    addi %r12, %r12, (probe_regs - probe_entry)@l
    stmw %r0, 0(%r12)
    blr
FS_END(probe_entry)

/* In: r3 = code, r4 = in. Out: r3 = r1 at the call. */
FS_FUNC(probe_call)
    mflr %r0
    stw %r0, 4(%r1)
    .cfi_offset lr, 4
    stwu %r1, -96(%r1)
    .cfi_def_cfa_offset 96
    stmw %r14, 16(%r1)
    mtctr %r3
    mr %r11, %r4
    .irp n, 0, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    lwz %r\n, \n * 4(%r11)
    .endr
    bctrl
    mr %r3, %r1
    lmw %r14, 16(%r1)
    lwz %r0, 100(%r1)
    mtlr %r0
    addi %r1, %r1, 96
    blr
FS_END(probe_call)

    .section .rodata
    .balign 4
    .globl probe_kept, probe_r, probe_sp
probe_kept: .long 0xffffc7f8
probe_r:    .long 11
probe_sp:   .long 1
    .bss
    .balign 4
    .globl probe_regs
probe_regs: .skip 32 * 4
FS_ASM_NOTES
