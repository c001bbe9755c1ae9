/* SPDX-License-Identifier: MIT */
/* table.S - i386 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address on the stack, with eax below it, and
 * goes to static code. It touches no other register. State where the slot's entry is reached: that
 * of the caller, but 4(%esp) = slot, (%esp) = the caller's eax, and eax and the flags are spent,
 * of which no convention passes anything but DF, which is kept.
 */
#include "arch.h"

/* A jump or call whose length does not depend on its target. */
.macro fs_rel32 opcode, to
    .byte \opcode
    .long \to - (. + 4)
.endm
#define CALL 0xe8
#define JMP 0xe9

/* Up to the call, which says where we are, all trampolines are the same. */
.macro fs_begin to
    endbr32
    pushl %eax
    pushl %eax
    fs_rel32 CALL, \to
.endm
#define FS_BEGIN_SIZE 11

.macro fs_trampoline
    fs_begin 1f
    fs_rel32 JMP, 2f
    .balign FS_TRAMP_SIZE, 0xcc
.endm

.macro fs_stub
1:  movl (%esp), %eax
    ret
    int3
    int3
2:  leal FS_TABLE_CODE - FS_BEGIN_SIZE(%eax), %eax
    movl %eax, 4(%esp)
    andl $-FS_TABLE_SPAN, %eax
    jmp *FS_TABLE_CODE(%eax)
    .balign FS_TRAMP_SIZE, 0xcc
.endm

.macro fs_resident
    fs_begin fs_pc
1:  leal fs_resident_slots + fs_i * FS_SLOT_SIZE - 1b(%eax), %eax
    movl %eax, 4(%esp)
    jmp *FS_SLOT_ENTRY(%eax)
    .balign FS_TRAMP_SIZE, 0xcc
.endm

/* fs_pc: what the resident trampolines call. Out: eax = where it returns to. Kept: all else. */
.macro fs_resident_stub
    .balign 16
    .type fs_pc, @function
fs_pc:
    .cfi_startproc
    movl (%esp), %eax
    ret
    .cfi_endproc
    .size fs_pc, . - fs_pc
.endm

/* Out: eax = slot. Kept: everything else. */
.macro fs_enter
    movl 4(%esp), %eax
    jmp *FS_SLOT_ENTRY(%eax)
.endm

/* fs_slot_in_eax, an entry. In: 4(%esp) = slot. Out: where the slot's word FS_SLOT_EAX says, eax =
 * slot, the stack as the caller left it. Kept: every other register. */
.macro fs_more_entries
    .balign 16
FS_ENTRY(fs_slot_in_eax)
    movl 4(%esp), %eax
    leal 8(%esp), %esp
    .cfi_def_cfa_offset 4
    jmp *FS_SLOT_EAX(%eax)
FS_END(fs_slot_in_eax)
.endm

/* Its frame:
 *
 *      12(%ebp)  return address
 *      8(%ebp)   slot
 *      4(%ebp)   the caller's eax
 *      0(%ebp)   the caller's ebp
 */
.macro fs_report name, to
    pushl %ebp
    .cfi_def_cfa_offset 16
    .cfi_offset %ebp, -16
    movl %esp, %ebp
    .cfi_def_cfa_register %ebp
    andl $-16, %esp
    subl $8, %esp
    pushl 12(%ebp)
    pushl 8(%ebp)
    call \to
    ud2
.endm

#define FS_TRAP_SIZE 1
#define FS_TRAMP_CFI .cfi_escape FS_DWARF_ROW
#define FS_RESIDENT_STUB fs_resident_stub
#define FS_MORE_ENTRIES fs_more_entries
#include "arch/table_code.h"
