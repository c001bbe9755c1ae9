/* SPDX-License-Identifier: MIT */
/* probe.S - s390x: entries that look at the registers (probe.h)
 *
 * r14 belongs to the call: it is neither loaded nor compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    lgr %r2, %r0
    br %r14
FS_END(probe_self)

/* In: r0 = slot, r1 free. */
FS_FUNC(probe_entry)
    larl %r1, probe_regs
    stmg %r0, %r15, 0(%r1)
    br %r14
FS_END(probe_entry)

/* In: r2 = code, r3 = in. Out: r2 = r15 at the call. */
FS_FUNC(probe_call)
    stmg %r6, %r15, 48(%r15)
    .cfi_offset %r14, -48
    .cfi_offset %r15, -40
    aghi %r15, -160
    .cfi_adjust_cfa_offset 160
    lgr %r1, %r2
    lmg %r2, %r13, 16(%r3)
    basr %r14, %r1
    lgr %r2, %r15
    lmg %r6, %r15, 208(%r15)
    .cfi_adjust_cfa_offset -160
    br %r14
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0x3ffc
probe_r:    .quad 0
probe_sp:   .quad 15
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
