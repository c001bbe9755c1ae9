/* SPDX-License-Identifier: MIT */
/* table.S - LoongArch trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into $t0 and goes to static code by
 * $t1. It touches no other register and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but t0 = slot and t1 is spent.
 */
#include "arch.h"

.macro fs_trampoline
    pcaddi $t0, (FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)) >> 2
    b 1f
    FS_TRAP
    FS_TRAP
.endm

.macro fs_stub
1:  pcaddi $t1, (FS_TABLE_CODE - fs_i * FS_TRAMP_SIZE) >> 2
    ld.d $t1, $t1, 0
    jr $t1
    FS_TRAP
.endm

/* The relocations are written out, because with %pc_hi20 and %pc_lo12 the linker may shorten the
 * first two instructions to one, and every trampoline has its place. */
.macro fs_resident
    .reloc ., R_LARCH_PCALA_HI20, fs_resident_slots + fs_i * FS_SLOT_SIZE
    pcalau12i $t0, 0
    .reloc ., R_LARCH_PCALA_LO12, fs_resident_slots + fs_i * FS_SLOT_SIZE
    addi.d $t0, $t0, 0
    ld.d $t1, $t0, FS_SLOT_ENTRY
    jr $t1
.endm

/* Kept: everything but t1. */
.macro fs_enter
    ld.d $t1, $t0, FS_SLOT_ENTRY
    jr $t1
.endm

.macro fs_report name, to
    addi.d $sp, $sp, -16
    .cfi_def_cfa_offset 16
    st.d $ra, $sp, 8
    .cfi_offset 1, -8
    st.d $fp, $sp, 0
    .cfi_offset 22, -16
    addi.d $fp, $sp, 16
    move $a0, $t0
    move $a1, $ra
    la.local $t1, \to /* a bl reaches 128 MiB */
    jirl $ra, $t1, 0
    FS_TRAP
.endm

#include "arch/table_code.h"
