/* SPDX-License-Identifier: MIT */
/* table.S - s390x trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %r0 and goes to static code by
 * %r1. It touches no other register, no condition code and no stack, so it can stand in front of
 * any calling convention. Register state at fs_e0: the caller's, but r0 = slot and r1 is spent.
 *
 * Fails when: the slot's first word is not a code address. Free slots hold fs_freed.
 */
#include "arch.h"

/* R-X code whose data lies FS_TABLE_CODE bytes behind it *wherever it is mapped*. Here, in the
 * library's own text, it is only a template and is never run. Entry 0 of the first group gives
 * its slot to the table's header (word 0: `hot`); the last of each group is the group's stub. */
    .text
    .balign FS_TEXT_ALIGN
    .globl fs_table_code
    .hidden fs_table_code
    .type fs_table_code, %function
fs_table_code:
.Ltable:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 1
    .if fs_i
    larl %r0, .Ltable + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE
    jg 1f
    FS_TRAP
    .else
    .rept FS_TRAMP_SIZE / 4
    FS_TRAP
    .endr
    .endif
    .set fs_i, fs_i + 1
    .endr
1:  larl %r1, .Ltable + FS_TABLE_CODE
    lg %r1, 0(%r1)
    br %r1
    nopr
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss. The
 * jump through the slot has no room left and is fs_e0's. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    larl %r0, fs_resident_slots + fs_i * FS_SLOT_SIZE
    jg fs_e0
    FS_TRAP
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: r0 = slot. Out: whatever the slot's entry makes of it. Kept: everything but r1. */
    .balign 16
FS_FUNC(fs_e0)
    lgr %r1, %r0
    lg %r1, FS_SLOT_ENTRY(%r1)
    br %r1
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: r0 = slot. Never return; the
 * frame is a standard one, with a back chain, so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    stmg %r14, %r15, 112(%r15);                                                                    \
    .cfi_offset %r14, -48;                                                                         \
    .cfi_offset %r15, -40;                                                                         \
    lgr %r1, %r15;                                                                                 \
    aghi %r15, -160;                                                                               \
    .cfi_adjust_cfa_offset 160;                                                                    \
    stg %r1, 0(%r15);                                                                              \
    lgr %r2, %r0;                                                                                  \
    lgr %r3, %r14;                                                                                 \
    brasl %r14, report; /* void report(void *slot, void *return_address) */                        \
    FS_TRAP;                                                                                       \
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
