/* SPDX-License-Identifier: MIT */
/* table.S - RISC-V trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into t1 and goes to static code by
 * t3. It touches no other register and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but t1 = slot and t3 is spent.
 */
#include "arch.h"

/* Every trampoline has its place: nothing may be compressed, or shortened by the linker. */
    .option norvc
    .option norelax

/* AUIPC and its partner reach `d` bytes from the AUIPC: the upper part, rounded because the lower
 * one is signed. */
.macro fs_near first, second, d:vararg
    .set fs_d, \d
    auipc \first, (fs_d + 0x800) >> 12
    .set fs_low, ((fs_d + 0x800) & 0xfff) - 0x800
    \second
.endm

.macro fs_trampoline
    fs_near t1, "addi t1, t1, fs_low", FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    j 1f
    FS_TRAP
.endm

.macro fs_stub
1:  fs_near t3, "ld t3, fs_low(t3)", FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE
    jr t3
    FS_TRAP
.endm

.macro fs_resident
    lla t1, fs_resident_slots + fs_i * FS_SLOT_SIZE
    ld t3, FS_SLOT_ENTRY(t1)
    jr t3
.endm

/* Kept: everything but t3. */
.macro fs_enter
    ld t3, FS_SLOT_ENTRY(t1)
    jr t3
.endm

.macro fs_report name, to
    addi sp, sp, -16
    .cfi_def_cfa_offset 16
    sd ra, 8(sp)
    .cfi_offset ra, -8
    sd s0, 0(sp)
    .cfi_offset s0, -16
    addi s0, sp, 16
    mv a0, t1
    mv a1, ra
    call \to
    FS_TRAP
.endm

#include "arch/table_code.h"
