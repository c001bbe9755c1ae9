/* SPDX-License-Identifier: MIT */
/* hop.S - s390x: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: r0 = slot; everything else is the caller's, but r1, which the trampoline has
 * spent. Out: at the user's code with data in the data register and code in the code register if
 * there is one. Spent: r0 and r1, where they are neither. Kept: all other registers, the condition
 * code, the stack.
 *
 * No jump goes through r0, which cannot be an address, so r1 is what remains: it can be no data
 * register.
 */
#include "arch.h"

.macro fs_hop c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE
    .if \d != FS_HOP_SP && \d != \c && \d != FS_HOP_JUMP
    lgr %r1, %r0
    lg %r\d, FS_SLOT_HOP_DATA(%r1)
    lg %r1, FS_SLOT_HOP_CODE(%r1)
    .if \c != FS_HOP_SP && \c != FS_HOP_JUMP
    lgr %r\c, %r1
    .endif
    br %r1
    .endif
.endm

.macro fs_hop_row c
    .irp d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    fs_hop \c, \d
    .endr
.endm

    .text
    .balign 64
FS_CODE(fs_hops)
    .irp c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    fs_hop_row \c
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE
FS_END(fs_hops)

FS_ASM_NOTES
