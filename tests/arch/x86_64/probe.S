/* SPDX-License-Identifier: MIT */
/* probe.S - x86-64: entries that look at the registers (probe.h) */
#include "arch.h"

    .text
FS_FUNC(probe_self)
    movq %r10, %rax
    ret
FS_END(probe_self)

/* In: r10 = slot. */
FS_FUNC(probe_entry)
    .set fs_n, 0
    .irp r, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    movq %\r, probe_regs + 8 * fs_n(%rip)
    .set fs_n, fs_n + 1
    .endr
    ret
FS_END(probe_entry)

/* In: rdi = code, rsi = in. Out: rax = rsp right after the call instruction. */
FS_FUNC(probe_call)
    .irp r, rbx, rbp, r12, r13, r14, r15, rdi
    pushq %\r
    .cfi_adjust_cfa_offset 8
    .endr
    movq 0 * 8(%rsi), %rax
    movq 1 * 8(%rsi), %rcx
    movq 2 * 8(%rsi), %rdx
    movq 3 * 8(%rsi), %rbx
    movq 5 * 8(%rsi), %rbp
    movq 7 * 8(%rsi), %rdi
    .irp n, 8, 9, 11, 12, 13, 14, 15
    movq \n * 8(%rsi), %r\n
    .endr
    movq 6 * 8(%rsi), %rsi
    call *(%rsp)
    leaq -8(%rsp), %rax
    .irp r, rdi, r15, r14, r13, r12, rbp, rbx
    popq %\r
    .cfi_adjust_cfa_offset -8
    .endr
    ret
FS_END(probe_call)

    .section .rodata
    .balign 8
    .globl probe_kept, probe_r, probe_sp
probe_kept: .quad 0xfbef
probe_r:    .quad 10
probe_sp:   .quad 4
    .bss
    .balign 8
    .globl probe_regs
probe_regs: .skip 32 * 8
FS_ASM_NOTES
