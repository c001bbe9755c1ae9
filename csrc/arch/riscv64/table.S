/* SPDX-License-Identifier: MIT */
/* table.S - RISC-V trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into t1 and goes to static code by
 * t3. It touches no other register and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but t1 = slot and t3 is spent.
 *
 * A jump by t3 must arrive at a landing pad where the processor enforces them. So a resident
 * trampoline that begins with one has no room for the jump through its slot.
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
#ifdef __riscv_landing_pad
    FS_LANDING
    fs_near t1, "addi t1, t1, fs_low", FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE) - 4
    j 1f
#else
    fs_near t1, "addi t1, t1, fs_low", FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    j 1f
    FS_TRAP
#endif
.endm

.macro fs_stub
1:  fs_near t3, "ld t3, fs_low(t3)", FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE
    jr t3
    FS_TRAP
.endm

.macro fs_resident
    FS_LANDING
    lla t1, fs_resident_slots + fs_i * FS_SLOT_SIZE
#ifdef __riscv_landing_pad
    j .Lenter
#else
    ld t3, FS_SLOT_ENTRY(t1)
    jr t3
#endif
.endm

/* Kept: everything but t3. */
.macro fs_enter
.Lenter:
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
