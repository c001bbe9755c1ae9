/* SPDX-License-Identifier: MIT */
/* table.S - x86-64 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %r10 and goes to static code. It
 * touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_e0: exactly the caller's, but %r10 = slot.
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
    .type fs_table_code, @function
fs_table_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 1
    .if fs_i
    endbr64
    leaq fs_table_code + FS_TABLE_CODE + fs_i * FS_SLOT_SIZE(%rip), %r10
    .byte 0xe9 /* jmp rel32, also where rel8 would reach */
    .long fs_table_code + (fs_i | (FS_GROUP_SLOTS - 1)) * FS_TRAMP_SIZE - (. + 4)
    .else
    .fill FS_TRAMP_SIZE, 1, 0xcc
    .endif
    .set fs_i, fs_i + 1
    .endr
    jmp *fs_table_code + FS_TABLE_CODE(%rip)
    .fill FS_TRAMP_SIZE - 6, 1, 0xcc
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss. So
 * few slots are in the cache while they are in use, and the jump need not go by fs_e0. */
    .balign FS_TEXT_ALIGN
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, @function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    endbr64
    leaq fs_resident_slots + fs_i * FS_SLOT_SIZE(%rip), %r10
    jmp *FS_SLOT_ENTRY(%r10)
    .balign FS_TRAMP_SIZE, 0xcc
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: r10 = slot. Out: whatever the slot's entry makes of it. Kept: everything. */
    .balign 16
FS_FUNC(fs_e0)
    jmp *FS_SLOT_ENTRY(%r10)
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: r10 = slot. Never return; the
 * frame is a standard one so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    pushq %rbp;                                                                                    \
    .cfi_def_cfa_offset 16;                                                                        \
    .cfi_offset %rbp, -16;                                                                         \
    movq %rsp, %rbp;                                                                               \
    .cfi_def_cfa_register %rbp;                                                                    \
    andq $-16, %rsp;                                                                               \
    movq %r10, %rdi;                                                                               \
    movq 8(%rbp), %rsi;                                                                            \
    call report; /* void report(void *slot, void *return_address) */                               \
    ud2;                                                                                           \
    FS_END(name)

FS_REPORT(fs_freed, fs_report_freed)
FS_REPORT(fs_unprepared, fs_report_unprepared)

    .bss
    .balign FS_TEXT_ALIGN
    .globl fs_resident_slots
    .hidden fs_resident_slots
    .type fs_resident_slots, @object
    .size fs_resident_slots, FS_RESIDENT_SLOTS * FS_SLOT_SIZE
fs_resident_slots:
    .skip FS_RESIDENT_SLOTS * FS_SLOT_SIZE

FS_ASM_NOTES
