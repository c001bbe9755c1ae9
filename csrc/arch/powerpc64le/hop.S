/* SPDX-License-Identifier: MIT */
/* hop.S - ELFv2: load the register that the user named, jump to the user's code (arch/hop.h)
 *
 * For every hop: In: r11 = slot; everything else is the caller's, but r12 and CTR, which the
 * trampoline has spent. Out: at the user's code with data in the data register and code in the code
 * register if there is one. Spent: r11, r12 and CTR, where they are neither. Kept: all other
 * registers, the condition registers, LR, the stack.
 *
 * r12 is the code's own address, from which a C function makes its TOC, unless it is the data
 * register.
 */
#include "arch.h"

.macro fs_hop c, d
    .org fs_hops + (\c * FS_HOP_REGISTERS + \d) * FS_HOP_SIZE
    .if \d != FS_HOP_SP && \d != \c
    .if \d == 12
    ld %r12, FS_SLOT_HOP_DATA(%r11)
    ld %r11, FS_SLOT_HOP_CODE(%r11)
    mtctr %r11
    .if \c != FS_HOP_SP && \c != 11
    mr %r\c, %r11
    .endif
    .else
    ld %r12, FS_SLOT_HOP_CODE(%r11)
    ld %r\d, FS_SLOT_HOP_DATA(%r11)
    mtctr %r12
    .if \c != FS_HOP_SP && \c != 12
    mr %r\c, %r12
    .endif
    .endif
    bctr
    .endif
.endm

.macro fs_hop_row c
    .irp d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fs_hop \c, \d
    .endr
.endm

    FS_ASM_BEGIN
    .text
    .balign 64
FS_CODE(fs_hops)
    .irp c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fs_hop_row \c
    .endr
    .org fs_hops + FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE
FS_END(fs_hops)

FS_ASM_NOTES
