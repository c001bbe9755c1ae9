/* SPDX-License-Identifier: MIT */
/* table.S - LoongArch trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into $t0 and goes to static code by
 * $t1. It touches no other register and no stack, so it can stand in front of any calling
 * convention. Register state at fs_e0: the caller's, but t0 = slot and t1 is spent.
 *
 * Slots are data: what is written to one is loaded, never executed, so preparing a closure needs
 * no ibar. Mapped code comes from a file, whose pages the kernel makes coherent.
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
    .cfi_startproc
    .set fs_i, 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - 1
    .if fs_i
    pcaddi $t0, (FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)) >> 2
    b 1f
    break 0
    break 0
    .else
    .rept FS_TRAMP_SIZE / 4
    break 0
    .endr
    .endif
    .set fs_i, fs_i + 1
    .endr
1:  pcaddi $t1, (FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE) >> 2
    ld.d $t1, $t1, 0
    jr $t1
    break 0
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_table_code, . - fs_table_code

/* The first 256 trampolines of a process: no mapping, no system call. Their slots are .bss. So
 * few slots are in the cache while they are in use, and the jump need not go by fs_e0. The
 * relocations are written out, because with %pc_hi20 and %pc_lo12 the linker may shorten the first
 * two instructions to one, and every trampoline has its place. */
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %function
fs_resident_code:
    .cfi_startproc
    .set fs_i, 0
    .rept FS_RESIDENT_SLOTS
    .reloc ., R_LARCH_PCALA_HI20, fs_resident_slots + fs_i * FS_SLOT_SIZE
    pcalau12i $t0, 0
    .reloc ., R_LARCH_PCALA_LO12, fs_resident_slots + fs_i * FS_SLOT_SIZE
    addi.d $t0, $t0, 0
    ld.d $t1, $t0, FS_SLOT_ENTRY
    jr $t1
    .set fs_i, fs_i + 1
    .endr
    .cfi_endproc
    .size fs_resident_code, . - fs_resident_code

/* In: t0 = slot. Out: whatever the slot's entry makes of it. Kept: everything but t1. */
    .balign 16
FS_FUNC(fs_e0)
    ld.d $t1, $t0, FS_SLOT_ENTRY
    jr $t1
FS_END(fs_e0)

/* A free slot's entry, and that of a slot nobody has prepared. In: t0 = slot. Never return; the
 * frame is a standard one so that a debugger shows who called. */
#define FS_REPORT(name, report)                                                                    \
    .balign 16;                                                                                    \
    FS_FUNC(name);                                                                                 \
    addi.d $sp, $sp, -16;                                                                          \
    .cfi_def_cfa_offset 16;                                                                        \
    st.d $ra, $sp, 8;                                                                              \
    .cfi_offset 1, -8;                                                                             \
    st.d $fp, $sp, 0;                                                                              \
    .cfi_offset 22, -16;                                                                           \
    addi.d $fp, $sp, 16;                                                                           \
    move $a0, $t0;                                                                                 \
    move $a1, $ra;                                                                                 \
    bl report; /* void report(void *slot, void *return_address) */                                 \
    break 0;                                                                                       \
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
