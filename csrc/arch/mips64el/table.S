/* SPDX-License-Identifier: MIT */
/* table.S - MIPS n64 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into $12 and goes to static code by $25.
 * It touches no other register and no stack, so it can stand in front of any calling convention.
 * Register state at fs_enter_slot: the caller's, but $12 = slot, and $25 is spent.
 *
 * Fails when: somebody calls without the address in $25, which the ABI forbids.
 */
#include "arch.h"

/* $12 = `d`: the upper half, rounded because the lower one is signed. */
.macro fs_distance d:vararg
    .set fs_d, \d
    lui $12, (fs_d + 0x8000) >> 16
    daddiu $12, $12, ((fs_d + 0x8000) & 0xffff) - 0x8000
.endm

.macro fs_trampoline
    fs_distance FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    b 1f
    daddu $12, $12, $25
    FS_TRAP
    FS_TRAP
    FS_TRAP
    FS_TRAP
.endm

.macro fs_stub
1:  dsrl $25, $25, FS_TABLE_CODE_BITS
    daddiu $25, $25, 1
    dsll $25, $25, FS_TABLE_CODE_BITS
    ld $25, 0($25)
    jr $25
    nop
    FS_TRAP
    FS_TRAP
.endm

/* The two halves of the distance are relative to where they stand: 0 and 4 bytes behind what $25
 * says. */
.macro fs_resident
    lui $12, %pcrel_hi(fs_resident_slots + fs_i * FS_SLOT_SIZE)
    daddiu $12, $12, %pcrel_lo(fs_resident_slots + fs_i * FS_SLOT_SIZE + 4)
    daddu $12, $12, $25
    ld $25, FS_SLOT_ENTRY($12)
    jr $25
    nop
    FS_TRAP
    FS_TRAP
.endm

/* Kept: everything but $25, which is the entry's address then. */
.macro fs_enter
    ld $25, FS_SLOT_ENTRY($12)
    jr $25
    nop
.endm

/* $25 is the function's own address, from which comes the global pointer, by which the callee is
 * found. */
.macro fs_report name, to
    daddiu $sp, $sp, -16
    .cfi_def_cfa_offset 16
    sd $31, 8($sp)
    .cfi_offset 31, -8
    lui $gp, %hi(%neg(%gp_rel(\name)))
    daddu $gp, $gp, $25
    daddiu $gp, $gp, %lo(%neg(%gp_rel(\name)))
    ld $25, %call16(\to)($gp)
    move $4, $12
    jalr $25
    move $5, $31
    FS_TRAP
.endm

#include "arch/table_code.h"
