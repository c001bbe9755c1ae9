/* SPDX-License-Identifier: MIT */
/* probe.S - i386: entries that look at the registers (probe.h)
 *
 * R, which is a word of the stack here, is counted as register 8. The caller's eax is what is
 * compared as register 0: it is on the stack, too (arch.h).
 */
#include "arch.h"

    .text
FS_ENTRY(probe_self)
    movl 4(%esp), %eax
    leal 8(%esp), %esp
    .cfi_def_cfa_offset 4
    ret
FS_END(probe_self)

/* In: (%esp) = the caller's eax, 4(%esp) = slot. pushal writes edi, esi, ebp, esp, ebx, edx, ecx,
 * eax, the first lowest. */
FS_ENTRY(probe_entry)
    pushal
    .cfi_def_cfa_offset 44
    call 1f
1:  popl %ebx
    leal probe_regs - 1b(%ebx), %ebx
    .macro fs_copy n, from
    movl \from(%esp), %eax
    movl %eax, 4 * \n(%ebx)
    .endm
    fs_copy 0, 32
    fs_copy 1, 24
    fs_copy 2, 20
    fs_copy 3, 16
    fs_copy 5, 8
    fs_copy 6, 4
    fs_copy 7, 0
    fs_copy 8, 36
    leal 40(%esp), %eax
    movl %eax, 4 * 4(%ebx)
    popal
    .cfi_def_cfa_offset 12
    leal 8(%esp), %esp
    .cfi_def_cfa_offset 4
    ret
FS_END(probe_entry)

/* In: 4(%esp) = code, 8(%esp) = in. Out: eax = esp right after the call instruction. */
FS_FUNC(probe_call)
    .irp r, ebx, ebp, esi, edi
    pushl %\r
    .cfi_adjust_cfa_offset 4
    .endr
    movl 24(%esp), %eax
    movl 1 * 4(%eax), %ecx
    movl 2 * 4(%eax), %edx
    movl 3 * 4(%eax), %ebx
    movl 5 * 4(%eax), %ebp
    movl 6 * 4(%eax), %esi
    movl 7 * 4(%eax), %edi
    movl 0 * 4(%eax), %eax
    call *20(%esp)
    leal -4(%esp), %eax
    .irp r, edi, esi, ebp, ebx
    popl %\r
    .cfi_adjust_cfa_offset -4
    .endr
    ret
FS_END(probe_call)

/* void probe_step(void *code): In: 4(%esp) = code. Calls it with the trap flag (0x100) set. */
FS_FUNC(probe_step)
    pushfl
    .cfi_adjust_cfa_offset 4
    orl $0x100, (%esp)
    popfl
    .cfi_adjust_cfa_offset -4
    call *4(%esp)
    pushfl
    .cfi_adjust_cfa_offset 4
    andl $~0x100, (%esp)
    popfl
    .cfi_adjust_cfa_offset -4
    ret
FS_END(probe_step)

    .section .rodata
    .balign 4
    .globl probe_kept, probe_r, probe_sp
probe_kept: .long 0xef
probe_r:    .long 8
probe_sp:   .long 4
    .bss
    .balign 4
    .globl probe_regs
probe_regs: .skip 32 * 4
FS_ASM_NOTES
