/* SPDX-License-Identifier: MIT */
/* probe.S - m68k: entries that look at the registers (probe.h)
 *
 * Registers are counted so: %d0 .. %d7, %a0 .. %a7.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    move.l %a0, %d0
    rts
FS_END(probe_self)

/* In: %a0 = slot. */
FS_FUNC(probe_entry)
    move.l %a0, -(%sp)
    .cfi_def_cfa_offset 8
    lea (probe_regs, %pc), %a0
    movem.l %d0-%d7/%a0-%a7, (%a0)
    move.l (%sp)+, 8 * 4(%a0)
    .cfi_def_cfa_offset 4
    addq.l #4, 15 * 4(%a0)
    rts
FS_END(probe_entry)

/* In: 4(%sp) = code, 8(%sp) = in. Out: %d0 = %sp right after the call instruction. */
FS_FUNC(probe_call)
    movem.l %d2-%d7/%a2-%a6, -(%sp)
    .cfi_def_cfa_offset 48
    move.l 52(%sp), %a0
    move.l 48(%sp), -(%sp)
    .cfi_def_cfa_offset 52
    movem.l (%a0), %d0-%d7
    lea 36(%a0), %a0
    movem.l (%a0), %a1-%a6
    jsr ([%sp])
    move.l %sp, %d0
    subq.l #4, %d0
    addq.l #4, %sp
    .cfi_def_cfa_offset 48
    movem.l (%sp)+, %d2-%d7/%a2-%a6
    rts
FS_END(probe_call)

    .section .rodata
    .balign 4
    .globl probe_kept, probe_r, probe_sp
probe_kept: .long 0x7eff
probe_r:    .long 8
probe_sp:   .long 15
    .bss
    .balign 4
    .globl probe_regs
probe_regs: .skip 32 * 4
FS_ASM_NOTES
