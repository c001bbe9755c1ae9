/* SPDX-License-Identifier: MIT */
/* table.S - ARM trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into ip and goes to static code. It
 * touches no other register, no flag and no stack, so it can stand in front of any calling
 * convention. Register state at fs_e0: the caller's, but ip = slot.
 *
 * Slots are data: what is written to one is loaded, never executed, so preparing a closure needs
 * no cache maintenance. Mapped code comes from a file, whose pages the kernel makes coherent.
 *
 * Fails when: the slot's first word is not a code address. Free slots hold fs_freed.
 */
#include "arch.h"

FS_ASM_BEGIN

/* What a pc that is read as an operand is ahead of its instruction. */
#define PC_AHEAD 8
/* Never reached. */
.macro fs_never
    .inst 0xe7f000f0 /* udf 0, a name that older assemblers lack */
.endm

/* R-X code whose data lies FS_TABLE_CODE bytes behind it *wherever it is mapped*. Here, in the
 * library's own text, it is only a template and is never run. Entry 0 gives its slot to the
 * table's header (word 0: `hot`); the last is the stub. Both adds take 8 bits, at even places. */
    .text
    .balign FS_TEXT_ALIGN
    .globl fs_table_code
    .hidden fs_table_code
    .type fs_table_code, %function
fs_table_code:
    .fnstart
    .cfi_startproc
    .rept FS_TRAMP_SIZE / 4
    fs_never
    .endr
    .set fs_i, 1
    .rept FS_TABLE_SLOTS - 2
    .set fs_d, FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE) - PC_AHEAD
    add ip, pc, #fs_d & 0x3fc00
    add ip, ip, #fs_d & 0x3fc
    b 1f
    fs_never
    .set fs_i, fs_i + 1
    .endr
1:  ldr pc, [pc, #FS_TRAMP_SIZE - PC_AHEAD]
    .rept FS_TRAMP_SIZE / 4 - 1
    fs_never
    .endr
    .cfi_endproc
    .fnend
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss, which
 * is further away than adds reach: the distance is a literal. So few slots are in the cache while
 * they are in use, and the jump need not go by fs_e0. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .fnstart
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    ldr ip, 2f
1:  add ip, pc, ip
    ldr pc, [ip, #FS_SLOT_ENTRY]
2:  .word fs_resident_slots + fs_i * FS_SLOT_SIZE - (1b + PC_AHEAD)
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .fnend
    .size fs_resident_code, . - fs_resident_code

/* In: ip = slot. Out: whatever the slot's entry makes of it. Kept: everything. */
    .balign 16
FS_FUNC(fs_e0)
    ldr pc, [ip, #FS_SLOT_ENTRY]
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: ip = slot. Never return; the
 * frame is a standard one so that a debugger shows who called. lr is odd where a Thumb function
 * called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    push {fp, lr};                                                                                 \
    .save {fp, lr};                                                                                \
    .cfi_def_cfa_offset 8;                                                                         \
    .cfi_offset fp, -8;                                                                            \
    .cfi_offset lr, -4;                                                                            \
    add fp, sp, #4;                                                                                 \
    mov r0, ip;                                                                                    \
    bic r1, lr, #1;                                                                                 \
    bl report; /* void report(void *slot, void *return_address) */                                 \
    fs_never;                                                                                      \
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
