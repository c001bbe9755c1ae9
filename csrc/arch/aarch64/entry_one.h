/* SPDX-License-Identifier: MIT */
/* entry_one.h - AArch64: entries for one argument of any kind, such as a struct
 *
 * Not a header for C; entry.S includes it behind the macros that these entries use. They know where
 * their argument is and how the result goes back, so they read no plan. They save what their shape
 * says: the most registers that one argument of that kind is in.
 */
/* clang-format off */

/* const fs_one[FS_ONE_SHAPES][FS_ONE_TAILS]
 *
 *      sp+..    avalue[1]; behind it a result of 8 bytes
 *      sp+..    a result of 16, 32 or 64 bytes
 *      sp+16    what the shape saves
 *      sp       x29, x30
 */

/* Where all is, from sp. */
.macro fs_one_frame shape, tail
    .set fs_saved, 0
    .if \shape == FS_ONE_G || \shape == FS_ONE_S
    .set fs_saved, 16
    .elseif \shape == FS_ONE_D
    .set fs_saved, 32
    .elseif \shape == FS_ONE_Q
    .set fs_saved, 64
    .endif
    .set fs_ret_size, 0
    .if \tail == FS_TAIL_PAIR || \tail == FS_TAIL_FLOATS
    .set fs_ret_size, 16
    .elseif \tail == FS_TAIL_PAIR_D
    .set fs_ret_size, 32
    .elseif \tail == FS_TAIL_QUADS
    .set fs_ret_size, 64
    .endif
    .set fs_argv, 16 + fs_saved + fs_ret_size
    .set fs_ret, 16 + fs_saved
    .if fs_ret_size == 0
    .set fs_ret, fs_argv + 8
    .endif
    .set fs_one_size, fs_argv + 16
.endm

.macro fs_one_save shape
    .if \shape == FS_ONE_G
    fs_save x, 2, 16, 8
    .elseif \shape == FS_ONE_D
    fs_save d, 4, 16, 8
    .elseif \shape == FS_ONE_S
    fs_save s, 4, 16, 4
    .elseif \shape == FS_ONE_Q
    fs_save q, 4, 16, 16
    .endif
.endm

/* avalue[0], and zero where a result in registers will be. */
.macro fs_one_argument shape
    .if \shape == FS_ONE_R
    stp x0, xzr, [sp, fs_argv]
    .else
    add x9, sp, 16
    stp x9, xzr, [sp, fs_argv]
    .endif
    .irp at, 0, 16, 32, 48
    .if \at < fs_ret_size
    stp xzr, xzr, [sp, fs_ret + \at]
    .endif
    .endr
.endm

.macro fs_one_entry shape, tail
    .balign 32
    FS_CODE(fs_entry_one_\shape\()_\tail)
    fs_one_frame \shape, \tail
    fs_enter_frame fs_one_size
    fs_one_save \shape
    fs_one_argument \shape
    ldp x0, x9, [x17, FS_SLOT_CIF]
    ldr x3, [x17, FS_SLOT_DATA]
    .if \tail == FS_TAIL_MEM
    mov x1, x8
    .else
    add x1, sp, fs_ret
    .endif
    add x2, sp, fs_argv
    blr x9
    .if \tail != FS_TAIL_MEM
    fs_load \tail, fs_ret
    .endif
    fs_leave_frame fs_one_size
    FS_END(fs_entry_one_\shape\()_\tail)
    fs_is_next_in fs_one, fs_entry_one_\shape\()_\tail
.endm

.macro fs_one_entries shape
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, FS_TAIL_MEM, FS_TAIL_PAIR, FS_TAIL_PAIR_D
    fs_one_entry \shape, \tail
    .endr
.endm

    fs_table_of_entries fs_one
    .irp shape, 1, 2, 3, 4, 5
    fs_one_entries \shape
    .endr
