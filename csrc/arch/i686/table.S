/* SPDX-License-Identifier: MIT */
/* table.S - i386 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address on the stack, with eax below it, and
 * goes to static code. It touches no other register. State where the slot's entry is reached: that
 * of the caller, but 4(%esp) = slot, (%esp) = the caller's eax, and eax and the flags are spent,
 * of which no convention passes anything but DF, which is kept.
 *
 * Fails when: the slot's first word is not a code address. Free slots hold fs_freed.
 */
#include "arch.h"

/* A jump or call whose length does not depend on its target. */
.macro fs_rel32 opcode, to
    .byte \opcode
    .long \to - (. + 4)
.endm
#define CALL 0xe8
#define JMP 0xe9

/* Up to the call, which says where we are, all trampolines are the same. */
.macro fs_begin to
    endbr32
    pushl %eax
    pushl %eax
    fs_rel32 CALL, \to
.endm
#define FS_BEGIN_SIZE 11

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
    .cfi_escape FS_DWARF_ROW
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 1
    .if fs_i
    fs_begin 1f
    fs_rel32 JMP, 2f
    .endif
    .set fs_i, fs_i + 1
    .org fs_table_code + fs_i * FS_TRAMP_SIZE, 0xcc
    .endr
1:  movl (%esp), %eax
    ret
    int3
    int3
2:  leal FS_TABLE_CODE - FS_BEGIN_SIZE(%eax), %eax
    movl %eax, 4(%esp)
    andl $-FS_TABLE_SPAN, %eax
    jmp *FS_TABLE_CODE(%eax)
    .set fs_i, fs_i + 1
    .org fs_table_code + fs_i * FS_TRAMP_SIZE, 0xcc
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
    .cfi_escape FS_DWARF_ROW
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    fs_begin fs_pc
1:  leal fs_resident_slots + fs_i * FS_SLOT_SIZE - 1b(%eax), %eax
    movl %eax, 4(%esp)
    jmp *FS_SLOT_ENTRY(%eax)
    .balign FS_TRAMP_SIZE, 0xcc
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* Out: eax = where it returns to. Kept: everything else. */
    .balign 16
    .type fs_pc, @function
fs_pc:
    .cfi_startproc
    movl (%esp), %eax
    ret
    .cfi_endproc
    .size fs_pc, . - fs_pc

/* In: 4(%esp) = slot. Out: whatever the slot's entry makes of it, eax = slot. Kept: all else. */
    .balign 16
FS_ENTRY(fs_e0)
    movl 4(%esp), %eax
    jmp *FS_SLOT_ENTRY(%eax)
FS_END(fs_e0)

/* In: 4(%esp) = slot. Out: at the slot's second address, eax = slot, the stack as the caller left
 * it. Kept: every other register. */
    .balign 16
FS_ENTRY(fs_slot_in_eax)
    movl 4(%esp), %eax
    leal 8(%esp), %esp
    .cfi_def_cfa_offset 4
    jmp *FS_SLOT_EAX(%eax)
FS_END(fs_slot_in_eax)

/* A free slot's entry, and that of a slot nobody has prepared. In: 4(%esp) = slot. Never return;
 * the frame is that a debugger needs to show who called:
 *
 *      12(%ebp)  return address
 *      8(%ebp)   slot
 *      4(%ebp)   the caller's eax
 *      0(%ebp)   the caller's ebp
 */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_ENTRY(name);                                                                                \
    pushl %ebp;                                                                                    \
    .cfi_def_cfa_offset 16;                                                                        \
    .cfi_offset %ebp, -16;                                                                         \
    movl %esp, %ebp;                                                                               \
    .cfi_def_cfa_register %ebp;                                                                    \
    andl $-16, %esp;                                                                               \
    subl $8, %esp;                                                                                 \
    pushl 12(%ebp);                                                                                \
    pushl 8(%ebp);                                                                                 \
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
