/* SPDX-License-Identifier: MIT */
/* table.S - m68k trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %a0 and goes to static code. It
 * touches no other register, no condition and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but %a0 = slot.
 */
#include "arch.h"

/* What a distance from %pc counts from: the second word of its instruction. */
#define PC_AHEAD 2

.macro fs_trampoline
    lea (FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE) - PC_AHEAD, %pc), %a0
    bra.l 1f
    FS_TRAP
.endm

/* The last ones' distance is shorter by 2 bytes. */
.macro fs_stub
1:  jmp ([FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE - PC_AHEAD, %pc])
    .balignw FS_TRAMP_SIZE, 0x4afc
.endm

.macro fs_resident
    lea (fs_resident_slots + fs_i * FS_SLOT_SIZE, %pc), %a0
    jmp ([FS_SLOT_ENTRY, %a0])
    .balignw FS_TRAMP_SIZE, 0x4afc
.endm

/* Kept: everything. */
.macro fs_enter
    jmp ([FS_SLOT_ENTRY, %a0])
.endm

.macro fs_report name, to
    link.w %fp, #0
    .cfi_def_cfa 14, 8
    .cfi_offset 14, -8
    move.l 4(%fp), -(%sp)
    move.l %a0, -(%sp)
    bsr.l \to
    FS_TRAP
.endm

#define FS_TRAP_SIZE 2
#include "arch/table_code.h"
