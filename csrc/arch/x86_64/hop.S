/* SPDX-License-Identifier: MIT */
/* hop.S - x86-64: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: r10 = slot; everything else is the caller's. Out: at the user's code with
 * data in the data register, code in the code register if there is one, r10 = slot if it is
 * neither. Kept: every other register, the flags, and the stack from the return address up.
 *
 * The jump is an indirect one, so where IBT is on the user's code begins with endbr64, as every
 * C function does that is compiled for it.
 */
#include "arch.h"

/* r10 is where both words are found, so it is loaded last; and when the data goes into it and no
 * code register was named, there is no register left to jump through. The code's address then
 * goes by the word below the return address, which is nobody's: the callee has not begun, and
 * the 128 bytes below rsp are not touched by a signal (psABI, "The Stack Frame": red zone). */
.macro fs_hop data, code, c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE, FS_FILL
    .if \d != FS_HOP_SP && \d != \c
    endbr64
    .if \c == FS_HOP_SP && \d == FS_HOP_R
    jmp fs_hop_own
    .elseif \c == FS_HOP_SP
    movq FS_SLOT_HOP_DATA(%r10), %\data
    jmp *FS_SLOT_HOP_CODE(%r10)
    .elseif \d == FS_HOP_R
    movq FS_SLOT_HOP_CODE(%r10), %\code
    movq FS_SLOT_HOP_DATA(%r10), %\data
    jmp *%\code
    .else
    movq FS_SLOT_HOP_DATA(%r10), %\data
    movq FS_SLOT_HOP_CODE(%r10), %\code
    jmp *%\code
    .endif
    .endif
.endm

.macro fs_hop_row code, c
    .set fs_d, 0
    .irp data, rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
    fs_hop \data, \code, \c, fs_d
    .set fs_d, fs_d + 1
    .endr
.endm

    .text
    .balign 64
FS_CODE(fs_hops)
    .set fs_c, 0
    .irp code, rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
    fs_hop_row \code, fs_c
    .set fs_c, fs_c + 1
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE, FS_FILL
FS_END(fs_hops)

/* In: r10 = slot. Out: at the code, r10 = data. Nothing else is changed. */
    .balign 16
    .type fs_hop_own, @function
fs_hop_own:
    .cfi_startproc
    pushq FS_SLOT_HOP_CODE(%r10)
    .cfi_adjust_cfa_offset 8
    movq FS_SLOT_HOP_DATA(%r10), %r10
    leaq 8(%rsp), %rsp
    .cfi_adjust_cfa_offset -8
    jmp *-8(%rsp)
    .cfi_endproc
    .size fs_hop_own, . - fs_hop_own

FS_ASM_NOTES
