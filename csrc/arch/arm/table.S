/* SPDX-License-Identifier: MIT */
/* table.S - ARM trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into ip and goes to static code. It
 * touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but ip = slot.
 */
#include "arch.h"

/* What a pc that is read as an operand is ahead of its instruction. */
#define PC_AHEAD 8

/* Both adds take 8 bits, at even places. */
.macro fs_trampoline
    .set fs_d, FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE) - PC_AHEAD
    add ip, pc, #fs_d & 0x3fc00
    add ip, ip, #fs_d & 0x3fc
    b 1f
    FS_TRAP
.endm

.macro fs_stub
1:  ldr pc, [pc, #FS_TRAMP_SIZE - PC_AHEAD]
    .rept FS_TRAMP_SIZE / 4 - 1
    FS_TRAP
    .endr
.endm

/* .bss is further away than two adds reach: the distance is a literal. */
.macro fs_resident
    ldr ip, 2f
1:  add ip, pc, ip
    ldr pc, [ip, #FS_SLOT_ENTRY]
2:  .word fs_resident_slots + fs_i * FS_SLOT_SIZE - (1b + PC_AHEAD)
.endm

/* Kept: everything. */
.macro fs_enter
    ldr pc, [ip, #FS_SLOT_ENTRY]
.endm

/* lr is odd where a Thumb function called. */
.macro fs_report name, to
    push {fp, lr}
    .save {fp, lr}
    .cfi_def_cfa_offset 8
    .cfi_offset fp, -8
    .cfi_offset lr, -4
    add fp, sp, #4
    mov r0, ip
    bic r1, lr, #1
    bl \to
    FS_TRAP
.endm

#include "arch/table_code.h"
