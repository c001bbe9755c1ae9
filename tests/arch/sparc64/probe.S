/* SPDX-License-Identifier: MIT */
/* probe.S - SPARC V9: entries that look at the registers (probe.h)
 *
 * Registers are counted so: %g0 .. %g7, %o0 .. %o7, %l0 .. %l7, %i0 .. %i7. %g7 is the thread's, %g6
 * the system's and %o7 the call's: they are neither loaded nor compared.
 */
#include "arch.h"

    FS_ASM_BEGIN
    .text
FS_FUNC(probe_self)
    retl
    mov %g1, %o0
FS_END(probe_self)

/* In: %g1 = slot, %g5 free. */
FS_FUNC(probe_entry)
    rd %pc, %g5
    stx %g1, [%sp + 2047 + 128]
    sethi %pc22(probe_regs + 8), %g1
    or %g1, %pc10(probe_regs + 12), %g1
    add %g1, %g5, %g5
    ldx [%sp + 2047 + 128], %g1
    .set fs_at, 0
    .irp r, g0, g1, g2, g3, g4, g0, g6, g7, o0, o1, o2, o3, o4, o5, sp, o7, l0, l1, l2, l3, l4, l5, l6, l7, i0, i1, i2, i3, i4, i5, fp, i7
    stx %\r, [%g5 + fs_at]
    .set fs_at, fs_at + 8
    .endr
    retl
    nop
FS_END(probe_entry)

/* In: %o0 = code, %o1 = in. Out: %o0 = %sp at the call. Our frame has room for what probe_entry
 * keeps. %fp and %i7 are how we return. */
FS_FUNC(probe_call)
    save %sp, -192, %sp
    .cfi_window_save
    .cfi_register %o7, %i7
    .cfi_def_cfa_register %fp
    stx %i0, [%sp + 2047 + 136]
    mov %i1, %g1
    .set fs_at, 0
    .irp r, g0, g0, g2, g3, g4, g0, g0, g0, o0, o1, o2, o3, o4, o5, g0, g0, l0, l1, l2, l3, l4, l5, l6, l7, i0, i1, i2, i3, i4, i5
    ldx [%g1 + fs_at], %\r
    .set fs_at, fs_at + 8
    .endr
    ldx [%sp + 2047 + 136], %g5
    jmpl %g5, %o7
    nop
    mov %sp, %i0
    return %i7 + 8
    nop
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .xword 0x3fff3f1c
probe_r:    .xword 1
probe_sp:   .xword 14
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
