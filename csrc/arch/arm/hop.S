/* SPDX-License-Identifier: MIT */
/* hop.S - ARM: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: ip = slot; everything else is the caller's. Out: at the user's code, which may
 * be Thumb, with data in the data register, code in the code register if there is one, ip = slot if
 * it is neither. Kept: every other register, the flags, the stack.
 */
#include "arch.h"

/* LDM loads all its registers from where the base was before, so ip may be one of them. */
.macro fs_hop c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE
    .if \d != FS_HOP_SP && \d != \c
    .if \c == FS_HOP_R
    ldr r\d, [ip, #FS_SLOT_HOP_DATA]
    ldr ip, [ip, #FS_SLOT_HOP_CODE]
    bx ip
    .else
    .if \c != FS_HOP_SP
    ldr r\c, [ip, #FS_SLOT_HOP_CODE]
    .endif
    ldmib ip, {r\d, pc}
    .endif
    .endif
.endm

.macro fs_hop_row c
    .irp d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    fs_hop \c, \d
    .endr
.endm

FS_ASM_BEGIN
    .text
    .balign 64
FS_CODE(fs_hops)
    .irp c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    fs_hop_row \c
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE
FS_END(fs_hops)

FS_ASM_NOTES
