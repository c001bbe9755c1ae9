/* SPDX-License-Identifier: MIT */
/* table.S - Alpha trampolines: the resident table and the template that providers map
 *
 * A trampoline does two things: it puts its slot's address into $1 and goes to static code by $27.
 * It touches no other register and no stack, so it can stand in front of any calling convention.
 * Register state at fs_enter_slot: the caller's, but $1 = slot, and $27 is spent.
 *
 * Fails when: somebody calls without the address in $27, which the calling standard forbids.
 */
#include "arch.h"

/* The upper half is rounded because the lower one is signed. */
.macro fs_trampoline
    fs_d = FS_TABLE_CODE + fs_i * (FS_SLOT_SIZE - FS_TRAMP_SIZE)
    lda $1, ((fs_d + 0x8000) & 0xffff) - 0x8000($27)
    ldah $1, (fs_d + 0x8000) >> 16($1)
    br $31, 1f
    FS_TRAP
.endm

/* The lowest two bytes are cleared, and 64 KiB are added. */
.macro fs_stub
1:  zapnot $27, 0xfc, $27
    ldah $27, FS_TABLE_CODE >> 16($27)
    ldq $27, 0($27)
    jmp $31, ($27), 0
.endm

/* No relocation has a distance's halves: the distance is a literal. There is no room left for the
 * jump through the slot. */
.macro fs_resident
2:  ldl $1, 12($27)
    addq $1, $27, $1
    br $31, .Lenter_slot
    .long fs_resident_slots + fs_i * FS_SLOT_SIZE - 2b
.endm

/* Kept: everything but $27, which is the entry's address then. */
.macro fs_enter
.Lenter_slot:
    ldq $27, FS_SLOT_ENTRY($1)
    jmp $31, ($27), 0
.endm

/* $27 is the function's own address, from which comes the global pointer, by which the callee is
 * found. */
.macro fs_report name, to
    ldah $29, 0($27) !gpdisp!\@
    lda $29, 0($29) !gpdisp!\@
    lda $30, -16($30)
    .cfi_def_cfa_offset 16
    stq $26, 0($30)
    .cfi_offset 26, -16
    bis $31, $1, $16
    bis $31, $26, $17
    ldq $27, \to($29) !literal
    jsr $26, ($27), 0
    FS_TRAP
.endm

#include "arch/table_code.h"
