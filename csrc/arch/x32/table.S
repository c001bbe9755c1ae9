/* SPDX-License-Identifier: MIT */
/* table.S - x32 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %r10 and goes to static code by
 * %r11. It touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but %r10 = slot and %r11 is spent.
 */
#include "arch.h"

/* A jump whose length does not depend on its target. */
.macro fs_jump to:vararg
    .byte 0xe9
    .long \to - (. + 4)
.endm

.macro fs_trampoline
    endbr64
    leaq fs_table_code + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE(%rip), %r10
    fs_jump fs_table_code + (fs_i | (FS_GROUP_SLOTS - 1)) * FS_TRAMP_SIZE
.endm

.macro fs_stub
    movl fs_table_code + FS_TABLE_CODE(%rip), %r11d
    jmp *%r11
    .fill FS_TRAMP_SIZE - 10, 1, 0xcc
.endm

/* There is no room left for the jump through the slot. */
.macro fs_resident
    endbr64
    leaq fs_resident_slots + fs_i * FS_SLOT_SIZE(%rip), %r10
    fs_jump fs_enter_slot
.endm

/* Kept: everything but %r11. */
.macro fs_enter
    movl FS_SLOT_ENTRY(%r10), %r11d
    jmp *%r11
.endm

.macro fs_report name, to
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    andq $-16, %rsp
    movl %r10d, %edi
    movl 8(%rbp), %esi
    call \to
    ud2
.endm

#define FS_TRAP_SIZE 1
#include "arch/table_code.h"
