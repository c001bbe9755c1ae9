/* SPDX-License-Identifier: MIT */
/* table.S - x86-64 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %r10 and goes to static code. It
 * touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: exactly the caller's, but %r10 = slot.
 */
#include "arch.h"

.macro fs_trampoline
    endbr64
    leaq fs_table_code + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE(%rip), %r10
    .byte 0xe9 /* jmp rel32, also where rel8 would reach */
    .long fs_table_code + (fs_i | (FS_GROUP_SLOTS - 1)) * FS_TRAMP_SIZE - (. + 4)
.endm

.macro fs_stub
    jmp *fs_table_code + FS_TABLE_CODE(%rip)
    .fill FS_TRAMP_SIZE - 6, 1, FS_FILL
.endm

.macro fs_resident
    endbr64
    leaq fs_resident_slots + fs_i * FS_SLOT_SIZE(%rip), %r10
    jmp *FS_SLOT_ENTRY(%r10)
    .balign FS_TRAMP_SIZE, FS_FILL
.endm

/* Kept: everything. */
.macro fs_enter
    jmp *FS_SLOT_ENTRY(%r10)
.endm

.macro fs_report name, to
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    andq $-16, %rsp
    movq %r10, %rdi
    movq 8(%rbp), %rsi
    call \to
    ud2
.endm

#define FS_TRAP_SIZE 1
#include "arch/table_code.h"
