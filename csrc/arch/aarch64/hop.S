/* SPDX-License-Identifier: MIT */
/* hop.S - AArch64: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: x17 = slot; everything else is the caller's, but x16, which the trampoline has
 * spent. Out: at the user's code with data in the data register and code in the code register if
 * there is one. Spent: x16 and x17, where they are neither. Kept: all other registers, the flags, the
 * stack.
 *
 * The jump goes by x16 or x17: where BTI is on, a jump by any other register may not arrive at the
 * `bti c` that the user's code begins with.
 */
#include "arch.h"

/* Both words are loaded at once, so that x17, where they are found, may be one of the two. */
.macro fs_hop c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE
    .if \d != FS_HOP_SP && \d != \c
    FS_LANDING
    .if \d == 16 || \c == 17
    ldp x17, x\d, [x17, FS_SLOT_HOP_CODE]
    .if \c != FS_HOP_SP && \c != 17
    mov x\c, x17
    .endif
    br x17
    .else
    ldp x16, x\d, [x17, FS_SLOT_HOP_CODE]
    .if \c != FS_HOP_SP && \c != 16
    mov x\c, x16
    .endif
    br x16
    .endif
    .endif
.endm

.macro fs_hop_row c
    .irp d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
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

FS_ASM_NOTES
