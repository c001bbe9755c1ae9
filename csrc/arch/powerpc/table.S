/* SPDX-License-Identifier: MIT */
/* table.S - 32-bit Power trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into r11 and goes to static code by r12
 * and CTR. It touches no other register but r0, no condition and no stack, so it can stand in front
 * of any calling convention. Register state at fs_enter_slot: the caller's, but r11 = slot, and r0,
 * r12 and CTR are spent.
 */
#include "arch.h"

/* r11 = the address of the instruction behind the call; the link register is as it was. */
.macro fs_here
    mflr %r0
    .cfi_register lr, %r0
    bcl 20, 31, . + 4
2:  mflr %r11
    mtlr %r0
    .cfi_restore lr
.endm
#define FS_HERE 8 /* bytes before what fs_here finds */

/* r11 += `d`: the upper half, rounded because the lower one is signed. */
.macro fs_near d:vararg
    .set fs_d, \d
    addis %r11, %r11, (fs_d + 0x8000) >> 16
    addi %r11, %r11, ((fs_d + 0x8000) & 0xffff) - 0x8000
.endm

.macro fs_trampoline
    fs_here
    fs_near FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE) - FS_HERE
    b 1f
    FS_TRAP
.endm

.macro fs_stub
1:  clrrwi %r12, %r11, FS_TABLE_SPAN_BITS
    addis %r12, %r12, FS_TABLE_CODE >> 16
    lwz %r12, 0(%r12)
    mtctr %r12
    bctr
    FS_TRAP
    FS_TRAP
    FS_TRAP
.endm

/* There is no room left for the jump through the slot. */
.macro fs_resident
    fs_here
    addis %r11, %r11, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@ha
    addi %r11, %r11, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@l
    b .Lenter_slot
    FS_TRAP
.endm

/* Kept: everything but r12 and CTR. */
.macro fs_enter
.Lenter_slot:
    lwz %r12, FS_SLOT_ENTRY(%r11)
    mtctr %r12
    bctr
.endm

/* The frame has a back chain. */
.macro fs_report name, to
    mflr %r4
    stw %r4, 4(%r1)
    .cfi_offset lr, 4
    stwu %r1, -16(%r1)
    .cfi_def_cfa_offset 16
    mr %r3, %r11
    bl \to
    FS_TRAP
.endm

#include "arch/table_code.h"
