/* SPDX-License-Identifier: MIT */
/* hop_lp64.h - RISC-V and LoongArch: what hop.S consists of, after ops.h (arch/hop.h)
 *
 * Not a header for C. For every hop: In: SLOT = slot; everything else is the caller's, but JUMP,
 * which the trampoline has spent. Out: at the user's code with data in the data register and code
 * in the code register if there is one. Spent: SLOT and JUMP, where they are neither. Kept: all
 * other registers, the stack.
 *
 * The jump goes by JUMP, or by SLOT where JUMP holds the data. Register 0 is always zero and holds
 * nothing.
 */
/* clang-format off */
/* JUMP is loaded before SLOT is, and SLOT last. */
.macro fs_hop_by_jump c, d
    FS_LANDING
    LD(JUMP, FS_SLOT_HOP_CODE, SLOT)
    LD(X(\d), FS_SLOT_HOP_DATA, SLOT)
    .if \c != FS_HOP_SP && \c != FS_HOP_SPENT
    MV(X(\c), JUMP)
    .endif
    JR(JUMP)
.endm

.macro fs_hop_by_slot c
    FS_LANDING
    LD(JUMP, FS_SLOT_HOP_DATA, SLOT)
    LD(SLOT, FS_SLOT_HOP_CODE, SLOT)
    .if \c != FS_HOP_SP && \c != FS_HOP_R
    MV(X(\c), SLOT)
    .endif
    JR(SLOT)
.endm

.macro fs_hop c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE
    .if \d == FS_HOP_SP || \d == \c || \d == FS_HOP_ZERO || \c == FS_HOP_ZERO
    FS_TRAP
    .elseif \d == FS_HOP_SPENT
    fs_hop_by_slot \c
    .else
    fs_hop_by_jump \c, \d
    .endif
.endm

.macro fs_hop_row c
    .irp d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fs_hop \c, \d
    .endr
.endm

    .text
    .balign 64
FS_CODE(fs_hops)
    .irp c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fs_hop_row \c
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE
FS_END(fs_hops)
/* clang-format on */

FS_ASM_NOTES
