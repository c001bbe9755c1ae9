/* SPDX-License-Identifier: MIT */
/* probe.S - x32: entries that look at the registers (probe.h)
 *
 * Words of the tables have 4 bytes, so the lower halves of registers are loaded and compared.
 */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    movl %r10d, %eax
    ret
FS_END(probe_self)

/* In: r10 = slot, r11 = here. */
FS_FUNC(probe_entry)
    .set fs_n, 0
    .irp r, eax, ecx, edx, ebx, esp, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
    movl %\r, probe_regs + 4 * fs_n(%rip)
    .set fs_n, fs_n + 1
    .endr
    ret
FS_END(probe_entry)

/* In: edi = code, esi = in. Out: eax = esp right after the call instruction. */
FS_FUNC(probe_call)
    .irp r, rbx, rbp, r12, r13, r14, r15
    pushq %\r
    .cfi_adjust_cfa_offset 8
    .endr
    movl %edi, %r11d
    movl 0 * 4(%rsi), %eax
    movl 1 * 4(%rsi), %ecx
    movl 2 * 4(%rsi), %edx
    movl 3 * 4(%rsi), %ebx
    movl 5 * 4(%rsi), %ebp
    movl 7 * 4(%rsi), %edi
    .irp n, 8, 9, 12, 13, 14, 15
    movl \n * 4(%rsi), %r\n\()d
    .endr
    movl 6 * 4(%rsi), %esi
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call *%r11
    leal -8(%rsp), %eax
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .irp r, r15, r14, r13, r12, rbp, rbx
    popq %\r
    .cfi_adjust_cfa_offset -8
    .endr
    ret
FS_END(probe_call)

    .section .rodata
    .balign 4
    .globl probe_kept, probe_r, probe_sp
probe_kept: .long 0xf3ef
probe_r:    .long 10
probe_sp:   .long 4
    .bss
    .balign 4
    .globl probe_regs
probe_regs: .skip 32 * 4
FS_ASM_NOTES
