/* SPDX-License-Identifier: MIT */
/* table.S - ELFv1 trampolines: the resident table; others are made by tramp/descriptor.c
 *
 * A call through a descriptor arrives at its code with its second word in r2. Register state at
 * fs_enter_slot: the caller's, but r2 = slot. Where it goes on to: r12 is the address of the entry's
 * descriptor, and r0 and CTR are spent. All three are the callee's to spend, and no argument is
 * ever in them.
 */
#include "arch.h"

.macro fs_resident
    .quad FS_CODE_OF(fs_enter_slot), fs_resident_slots + fs_i * FS_SLOT_SIZE, 0, 0
.endm

/* Kept: everything but r0, r12 and CTR. */
.macro fs_enter
    ld %r12, FS_SLOT_ENTRY(%r2)
    ld %r0, 0(%r12)
    mtctr %r0
    bctr
.endm

/* The TOC pointer is in the function's own descriptor. The frame has a back chain. */
.macro fs_report name, to
    mflr %r4
    std %r4, 16(%r1)
    .cfi_offset lr, 16
    stdu %r1, -112(%r1)
    .cfi_def_cfa_offset 112
    mr %r3, %r2
    ld %r2, 8(%r12)
    bl \to
    nop
    FS_TRAP
.endm

#include "arch/table_code.h"
