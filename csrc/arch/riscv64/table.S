/* SPDX-License-Identifier: MIT */
/* table.S - RISC-V trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into t1 and goes to static code by
 * t3. It touches no other register and no stack, so it can stand in front of any calling
 * convention. Register state at fs_e0: the caller's, but t1 = slot and t3 is spent.
 *
 * Slots are data: what is written to one is loaded, never executed, so preparing a closure needs
 * no fence.i and no system call on behalf of other harts.
 *
 * Fails when: the slot's first word is not a code address. Free slots hold fs_freed.
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

/* R-X code whose data lies FS_TABLE_CODE bytes behind it *wherever it is mapped*. Here, in the
 * library's own text, it is only a template and is never run. Entry 0 of the first group gives
 * its slot to the table's header (word 0: `hot`); the last of each group is the group's stub. */
    .text
    .balign FS_TEXT_ALIGN
    .globl fs_table_code
    .hidden fs_table_code
    .type fs_table_code, %function
fs_table_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 1
    .if fs_i
    fs_near t1, "addi t1, t1, fs_low", FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    j 1f
    ebreak
    .else
    .rept FS_TRAMP_SIZE / 4
    ebreak
    .endr
    .endif
    .set fs_i, fs_i + 1
    .endr
1:  fs_near t3, "ld t3, fs_low(t3)", FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE
    jr t3
    ebreak
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss. So
 * few slots are in the cache while they are in use, and the jump need not go by fs_e0. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    lla t1, fs_resident_slots + fs_i * FS_SLOT_SIZE
    ld t3, FS_SLOT_ENTRY(t1)
    jr t3
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: t1 = slot. Out: whatever the slot's entry makes of it. Kept: everything but t3. */
    .balign 16
FS_FUNC(fs_e0)
    ld t3, FS_SLOT_ENTRY(t1)
    jr t3
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: t1 = slot. Never return; the
 * frame is a standard one so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    addi sp, sp, -16;                                                                              \
    .cfi_def_cfa_offset 16;                                                                        \
    sd ra, 8(sp);                                                                                  \
    .cfi_offset ra, -8;                                                                            \
    sd s0, 0(sp);                                                                                  \
    .cfi_offset s0, -16;                                                                           \
    addi s0, sp, 16;                                                                               \
    mv a0, t1;                                                                                     \
    mv a1, ra;                                                                                     \
    call report; /* void report(void *slot, void *return_address) */                               \
    ebreak;                                                                                        \
    FS_END(name)

FS_REPORT(fs_freed, fs_report_freed)
FS_REPORT(fs_unprepared, fs_report_unprepared)

    .bss
    .balign 4096
    .globl fs_resident_slots
    .hidden fs_resident_slots
    .type fs_resident_slots, %object
    .size fs_resident_slots, FS_RESIDENT_SLOTS * FS_SLOT_SIZE
fs_resident_slots:
    .skip FS_RESIDENT_SLOTS * FS_SLOT_SIZE

FS_ASM_NOTES
