/* SPDX-License-Identifier: MIT */
/* hop.S - i386: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: what table.S leaves: 4(%esp) = slot, and so does eax; (%esp) = the caller's eax.
 * Out: at the user's code with data in the data register, code in the code register if there is one,
 * the stack as the caller left it. Kept: every other register, DF.
 *
 * Where no code register was named, none is left to jump through, and no memory but what is about to
 * be popped: the code's address takes the slot's place and is returned to. Shadow stacks would not
 * have that. No kernel has them for i386, and this file does not say that it bears them.
 */
#include "arch.h"
#undef FS_PROPERTY_BITS
#define FS_PROPERTY_BITS 1 /* IBT */

.macro fs_hop data, code, c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE, 0xcc
    .if \d != FS_HOP_SP && \d != \c
    .cfi_def_cfa_offset 12
    endbr32
    .if \c == FS_HOP_SP
    fs_hop_by_return \data
    .else
    fs_hop_by_register \data, \code
    .endif
    .endif
.endm

.macro fs_hop_by_return data
    pushl FS_SLOT_HOP_CODE(%eax)
    .cfi_adjust_cfa_offset 4
    popl 4(%esp)
    .cfi_adjust_cfa_offset -4
    .ifc \data, eax
    movl FS_SLOT_HOP_DATA(%eax), %eax
    leal 4(%esp), %esp
    .else
    movl FS_SLOT_HOP_DATA(%eax), %\data
    popl %eax
    .endif
    .cfi_adjust_cfa_offset -4
    ret
.endm

.macro fs_hop_by_register data, code
    .ifc \code, eax
    movl FS_SLOT_HOP_DATA(%eax), %\data
    movl FS_SLOT_HOP_CODE(%eax), %eax
    leal 8(%esp), %esp
    .cfi_adjust_cfa_offset -8
    .else
    movl FS_SLOT_HOP_CODE(%eax), %\code
    .ifc \data, eax
    movl FS_SLOT_HOP_DATA(%eax), %eax
    leal 8(%esp), %esp
    .cfi_adjust_cfa_offset -8
    .else
    movl FS_SLOT_HOP_DATA(%eax), %\data
    popl %eax
    .cfi_adjust_cfa_offset -4
    leal 4(%esp), %esp
    .cfi_adjust_cfa_offset -4
    .endif
    .endif
    jmp *%\code
.endm

.macro fs_hop_row code, c
    .set fs_d, 0
    .irp data, eax, ecx, edx, ebx, esp, ebp, esi, edi
    fs_hop \data, \code, \c, fs_d
    .set fs_d, fs_d + 1
    .endr
.endm

    .text
    .balign 64
FS_CODE(fs_hops)
    .set fs_c, 0
    .irp code, eax, ecx, edx, ebx, esp, ebp, esi, edi
    fs_hop_row \code, fs_c
    .set fs_c, fs_c + 1
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE, 0xcc
FS_END(fs_hops)

FS_ASM_NOTES
