/* SPDX-License-Identifier: MIT */
/* table.S - AArch64 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into x17 and goes to static code by
 * x16. It touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but x17 = slot and x16 is spent.
 */
#include "arch.h"

.macro fs_trampoline
    FS_LANDING
    adr x17, .Ltable + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE
    b 1f
    FS_TRAP
.endm

.macro fs_stub
1:  ldr x16, .Ltable + FS_TABLE_CODE
    br x16
    FS_TRAP
    FS_TRAP
.endm

/* In a large program .bss is further away than ADR reaches; ADRP counts in 4 KiB whatever the page
 * size is. There is no room left for the jump through the slot. */
.macro fs_resident
    FS_LANDING
    adrp x17, fs_resident_slots + fs_i * FS_SLOT_SIZE
    add x17, x17, :lo12:(fs_resident_slots + fs_i * FS_SLOT_SIZE)
    b fs_enter_slot
.endm

/* Kept: everything but x16. */
.macro fs_enter
    ldr x16, [x17, FS_SLOT_ENTRY]
    br x16
.endm

/* It never returns, so x30 is not signed. */
.macro fs_report name, to
    stp x29, x30, [sp, -16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    mov x0, x17
    mov x1, x30
    bl \to
    FS_TRAP
.endm

#include "arch/table_code.h"
