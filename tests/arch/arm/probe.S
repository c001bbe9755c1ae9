/* SPDX-License-Identifier: MIT */
/* probe.S - ARM: entries that look at the registers (probe.h)
 *
 * lr and pc are the call's: they are neither loaded nor compared.
 */
#include "arch.h"

FS_ASM_BEGIN
    .text
FS_FUNC(probe_self)
    mov r0, ip
    bx lr
FS_END(probe_self)

/* In: ip = slot. */
FS_FUNC(probe_entry)
    push {r0-r12}
    .cfi_def_cfa_offset 52
    ldr r0, 2f
1:  add r0, pc, r0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    ldr r1, [sp, \n * 4]
    str r1, [r0, \n * 4]
    .endr
    add r1, sp, 52
    str r1, [r0, 13 * 4]
    pop {r0-r12}
    .cfi_def_cfa_offset 0
    bx lr
2:  .word probe_regs - (1b + 8)
FS_END(probe_entry)

/* In: r0 = code, r1 = in. Out: r0 = sp at the call. */
FS_FUNC(probe_call)
    push {r4-r12, lr}
    .save {r4-r12, lr}
    .cfi_def_cfa_offset 40
    .cfi_offset lr, -4
    mov ip, r0
    mov lr, r1
    ldm lr, {r0-r11}
    blx ip
    mov r0, sp
    pop {r4-r12, pc}
FS_END(probe_call)

/* const void *_Unwind_Find_FDE(const void *pc, struct bases *bases): EHABI's unwinder has no such
 * thing. For slots.c to be linked; the case that asks it is not for this architecture (isa.mk). */
FS_FUNC(_Unwind_Find_FDE)
    mov r0, 0
    bx lr
FS_END(_Unwind_Find_FDE)

    .section .rodata
    .balign 4
    .globl probe_kept, probe_r, probe_sp
probe_kept: .word 0x0fff
probe_r:    .word 12
probe_sp:   .word 13
    .bss
    .balign 4
    .globl probe_regs
probe_regs: .skip 32 * 4
FS_ASM_NOTES
