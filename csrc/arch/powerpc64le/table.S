/* SPDX-License-Identifier: MIT */
/* table.S - ELFv2 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into r11 and goes to static code by r12
 * and CTR. It touches no other register, no condition, no LR and no stack, so it can stand in front
 * of any calling convention. Register state at fs_enter_slot: the caller's, but r11 = slot, and r12
 * and CTR are spent. r2 is still the caller's TOC; code that needs its own makes it from r12.
 *
 * Fails when: somebody calls without the address in r12, which the ABI forbids.
 */
#include "arch.h"

/* r11 = r12 + `d`: the upper half, rounded because the lower one is signed. */
.macro fs_near d:vararg
    .set fs_d, \d
    addis %r11, %r12, (fs_d + 0x8000) >> 16
    addi %r11, %r11, ((fs_d + 0x8000) & 0xffff) - 0x8000
.endm

.macro fs_trampoline
    fs_near FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    b 1f
    FS_TRAP
.endm

/* Five instructions do not fit in one trampoline's place: the group's last trampoline has no jump
 * and runs into the stub. */
.macro fs_stub
    fs_near FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
1:  clrrdi %r12, %r11, FS_TABLE_SPAN_BITS
    addis %r12, %r12, FS_TABLE_CODE >> 16
    ld %r12, 0(%r12)
    mtctr %r12
    bctr
    FS_TRAP
.endm

/* There is no room left for the jump through the slot. */
.macro fs_resident
2:  addis %r11, %r12, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@ha
    addi %r11, %r11, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@l
    b .Lenter_slot
    FS_TRAP
.endm

/* Kept: everything but r12, which is the entry's address then, and CTR. */
.macro fs_enter
.Lenter_slot:
    ld %r12, FS_SLOT_ENTRY(%r11)
    mtctr %r12
    bctr
.endm

/* r12 is the function's own address, from which comes the TOC that the callee expects. The frame
 * has a back chain. */
.macro fs_report name, to
    addis %r2, %r12, (.TOC. - \name)@ha
    addi %r2, %r2, (.TOC. - \name)@l
    .localentry \name, . - \name
    mflr %r4
    std %r4, 16(%r1)
    .cfi_offset 65, 16
    stdu %r1, -32(%r1)
    .cfi_def_cfa_offset 32
    mr %r3, %r11
    bl \to
    nop
    FS_TRAP
.endm

#define FS_STUB_SLOTS 2
#include "arch/table_code.h"
