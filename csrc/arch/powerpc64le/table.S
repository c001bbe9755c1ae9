/* SPDX-License-Identifier: MIT */
/* table.S - ELFv2 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into r11 and goes to static code by r12
 * and CTR. It touches no other register, no condition, no LR and no stack, so it can stand in front
 * of any calling convention. Register state at fs_e0: the caller's, but r11 = slot, and r12 and CTR
 * are spent. r2 is still the caller's TOC: who needs one of his own makes it from r12.
 *
 * Slots are data: what is written to one is loaded, never executed, so preparing a closure needs
 * no cache maintenance. Mapped code comes from a file, whose pages the kernel makes coherent.
 *
 * Fails when: the slot's first word is not a code address (free slots hold fs_freed); or somebody
 * calls without the address in r12, which the ABI forbids.
 */
#include "arch.h"

/* r11 = r12 + `d`: the upper half, rounded because the lower one is signed. */
.macro fs_near d:vararg
    .set fs_d, \d
    addis %r11, %r12, (fs_d + 0x8000) >> 16
    addi %r11, %r11, ((fs_d + 0x8000) & 0xffff) - 0x8000
.endm

/* R-X code whose data lies FS_TABLE_CODE bytes behind it *wherever it is mapped*. Here, in the
 * library's own text, it is only a template and is never run. Entry 0 of the first group gives
 * its slot to the table's header (word 0: `hot`); the last of each group is the group's stub, which
 * begins two words early. */
    .text
    .balign FS_TEXT_ALIGN
    .globl fs_table_code
    .hidden fs_table_code
    .type fs_table_code, %function
fs_table_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 2
    .if fs_i
    fs_near FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    b 1f
    trap
    .else
    .rept FS_TRAMP_SIZE / 4
    trap
    .endr
    .endif
    .set fs_i, fs_i + 1
    .endr
    fs_near FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
1:  clrrdi %r12, %r11, FS_TABLE_SPAN_BITS
    addis %r12, %r12, FS_TABLE_CODE >> 16
    ld %r12, 0(%r12)
    mtctr %r12
    bctr
    trap
    .set fs_i, fs_i + 2
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code
    .if . - fs_table_code - FS_TABLE_CODE
    .error "the template has not the size of a table"
    .endif

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss, whose
 * distance the linker knows. The jump through the slot has no room left and is fs_e0's. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
2:  addis %r11, %r12, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@ha
    addi %r11, %r11, (fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b)@l
    b .Le0
    trap
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: r11 = slot. Out: whatever the slot's entry makes of it, r12 = that entry. Kept: everything but
 * r12 and CTR. */
    .balign 16
FS_FUNC(fs_e0)
.Le0:
    ld %r12, FS_SLOT_ENTRY(%r11)
    mtctr %r12
    bctr
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: r11 = slot, r12 = here, from which
 * comes the TOC that the callee expects. Never return; the frame is a standard one, with a back
 * chain, so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    addis %r2, %r12, (.TOC. - name)@ha;                                                            \
    addi %r2, %r2, (.TOC. - name)@l;                                                               \
    .localentry name, . - name;                                                                    \
    mflr %r4;                                                                                      \
    std %r4, 16(%r1);                                                                              \
    .cfi_offset 65, 16;                                                                            \
    stdu %r1, -32(%r1);                                                                            \
    .cfi_def_cfa_offset 32;                                                                        \
    mr %r3, %r11;                                                                                  \
    bl report; /* void report(void *slot, void *return_address) */                                 \
    nop;                                                                                           \
    trap;                                                                                          \
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
