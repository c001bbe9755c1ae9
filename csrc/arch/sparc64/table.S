/* SPDX-License-Identifier: MIT */
/* table.S - SPARC V9 trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into %g1 and goes to static code by %g5.
 * It touches no other register, no condition and no stack, so it can stand in front of any calling
 * convention. Register state at fs_enter_slot: the caller's, but %g1 = slot, and %g5 is spent.
 */
#include "arch.h"

.macro fs_trampoline
    .set fs_d, FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    rd %pc, %g1
    sethi %hi(fs_d), %g5
    or %g5, %lo(fs_d), %g5
    ba,pt %xcc, 1f
    add %g1, %g5, %g1
    FS_TRAP
    FS_TRAP
    FS_TRAP
.endm

/* Bits below the span are cleared, and that of FS_TABLE_CODE is set. */
.macro fs_stub
1:  srlx %g1, FS_TABLE_SPAN_BITS, %g5
    sllx %g5, FS_TABLE_SPAN_BITS - FS_TABLE_CODE_BITS, %g5
    add %g5, 1, %g5
    sllx %g5, FS_TABLE_CODE_BITS, %g5
    ldx [%g5], %g5
    jmp %g5
    nop
    FS_TRAP
.endm

/* The two halves of the distance are relative to where they stand: 4 and 8 bytes behind what %g1
 * says. */
.macro fs_resident
    rd %pc, %g1
    sethi %pc22(fs_resident_slots + fs_i * FS_SLOT_SIZE + 4), %g5
    or %g5, %pc10(fs_resident_slots + fs_i * FS_SLOT_SIZE + 8), %g5
    add %g1, %g5, %g1
    ldx [%g1 + FS_SLOT_ENTRY], %g5
    jmp %g5
    nop
    FS_TRAP
.endm

/* Kept: everything but %g5. */
.macro fs_enter
    ldx [%g1 + FS_SLOT_ENTRY], %g5
    jmp %g5
    nop
.endm

/* In the new window the caller's %o7 is %i7. What it has is the address of the call. */
.macro fs_report name, to
    save %sp, -176, %sp
    .cfi_window_save
    .cfi_register %o7, %i7
    .cfi_def_cfa_register %fp
    mov %g1, %o0
    call \to
    add %i7, 8, %o1
    FS_TRAP
.endm

#include "arch/table_code.h"
