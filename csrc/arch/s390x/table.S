/* SPDX-License-Identifier: MIT */
/* table.S - s390x trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %r0 and goes to static code by %r1.
 * It touches no other register, no condition code and no stack, so it can stand in front of any
 * calling convention. Register state at fs_enter_slot: the caller's, but r0 = slot, r1 is spent.
 */
#include "arch.h"

.macro fs_trampoline
    larl %r0, .Ltable + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE
    jg 1f
    FS_TRAP
.endm

.macro fs_stub
1:  larl %r1, .Ltable + FS_TABLE_CODE
    lg %r1, 0(%r1)
    br %r1
    nopr
.endm

/* There is no room left for the jump through the slot. */
.macro fs_resident
    larl %r0, fs_resident_slots + fs_i * FS_SLOT_SIZE
    jg fs_enter_slot
    FS_TRAP
.endm

/* Kept: everything but r1. */
.macro fs_enter
    lgr %r1, %r0
    lg %r1, FS_SLOT_ENTRY(%r1)
    br %r1
.endm

.macro fs_report name, to
    stmg %r14, %r15, 112(%r15)
    .cfi_offset %r14, -48
    .cfi_offset %r15, -40
    lgr %r1, %r15
    aghi %r15, -160
    .cfi_adjust_cfa_offset 160
    stg %r1, 0(%r15) /* the back chain */
    lgr %r2, %r0
    lgr %r3, %r14
    brasl %r14, \to
    FS_TRAP
.endm

#include "arch/table_code.h"
