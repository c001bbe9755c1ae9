/* SPDX-License-Identifier: MIT */
/* table.S - AArch64 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into x17 and goes to static code by
 * x16. It touches no other register, no flag and no stack, so it can stand in front of any
 * calling convention. Register state at fs_e0: the caller's, but x17 = slot and x16 is spent.
 *
 * Slots are data: what is written to one is loaded, never executed, so preparing a closure needs
 * no cache maintenance. Mapped code comes from a file, whose pages the kernel makes coherent.
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
    FS_LANDING
    adr x17, .Ltable + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE
    b 1f
    brk 0
    .else
    .rept FS_TRAMP_SIZE / 4
    brk 0
    .endr
    .endif
    .set fs_i, fs_i + 1
    .endr
1:  ldr x16, .Ltable + FS_TABLE_CODE
    br x16
    brk 0
    brk 0
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss, which
 * in a large program is further away than ADR reaches; ADRP counts in 4 KiB whatever the page
 * size is. The jump through the slot has no room left and is fs_e0's. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    FS_LANDING
    adrp x17, fs_resident_slots + fs_i * FS_SLOT_SIZE
    add x17, x17, :lo12:(fs_resident_slots + fs_i * FS_SLOT_SIZE)
    b fs_e0
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: x17 = slot. Out: whatever the slot's entry makes of it. Kept: everything but x16. */
    .balign 16
FS_FUNC(fs_e0)
    ldr x16, [x17, FS_SLOT_ENTRY]
    br x16
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: x17 = slot. Never return, so
 * x30 is not signed; the frame is a standard one so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    stp x29, x30, [sp, -16]!;                                                                      \
    .cfi_def_cfa_offset 16;                                                                        \
    .cfi_offset x29, -16;                                                                          \
    .cfi_offset x30, -8;                                                                           \
    mov x29, sp;                                                                                   \
    mov x0, x17;                                                                                   \
    mov x1, x30;                                                                                   \
    bl report; /* void report(void *slot, void *return_address) */                                 \
    brk 0;                                                                                         \
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
