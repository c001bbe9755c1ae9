/* SPDX-License-Identifier: MIT */
/* entry_one_lp64.h - RISC-V and LoongArch: entries for one argument of any kind, such as a struct
 *
 * Not a header for C; entry_lp64.h includes it behind the macros that these entries use. They know
 * where their argument is and how the result goes back, so they read no plan. They put the argument
 * together from the registers that it is in (lp64.h: FS_ONE_*).
 */
/* clang-format off */

/* const fs_one[FS_ONE_SHAPES][FS_ONE_TAILS]
 *
 *      sp+40    ra
 *      sp+32    avalue[1]
 *      sp+16    result, 16
 *      sp       the argument, 16
 */
#define ONE_FRAME 48
#define ONE_RET 16
#define ONE_ARGV 32
#define ONE_RA 40

/* The argument's general registers are `a` and `b`: the first one may be the hidden pointer. */
.macro fs_one_general shape, a, b
    .if \shape == FS_ONE_GG
    SD(R(a\a), 0, SP)
    SD(R(a\b), 8, SP)
    .elseif \shape == FS_ONE_R
    SD(R(a\a), ONE_ARGV, SP)
    .elseif \shape == FS_ONE_GF4 || \shape == FS_ONE_GF8
    SD(R(a\a), 0, SP)
    .elseif \shape == FS_ONE_FG8
    SD(R(a\a), 8, SP)
    .elseif \shape == FS_ONE_FG4
    SW(R(a\a), 4, SP)
    .endif
.endm

.macro fs_one_floating shape
#if FS_FLEN
    .if \shape == FS_ONE_FF8
    FSAVE(R(fa0), 0, SP)
    FSAVE(R(fa1), 8, SP)
    .elseif \shape == FS_ONE_FF4
    FSW(R(fa0), 0, SP)
    FSW(R(fa1), 4, SP)
    .elseif \shape == FS_ONE_GF4
    FSW(R(fa0), 4, SP)
    .elseif \shape == FS_ONE_GF8
    FSAVE(R(fa0), 8, SP)
    .elseif \shape == FS_ONE_FG4
    FSW(R(fa0), 0, SP)
    .elseif \shape == FS_ONE_FG8
    FSAVE(R(fa0), 0, SP)
    .endif
#endif
.endm

/* The argument, avalue[0], and a1 and zero where a result in registers will be. */
.macro fs_one_argument shape, tail
    .if \tail == FS_TAIL_MEM
    fs_one_general \shape, 1, 2
    .else
    fs_one_general \shape, 0, 1
    .endif
    fs_one_floating \shape
    .if \shape != FS_ONE_R
    SD(SP, ONE_ARGV, SP)
    .endif
    .if \tail == FS_TAIL_MEM
    SD(R(a0), ONE_RET, SP) /* goes back in a0 */
    MV(R(a1), R(a0))
    .else
    .if \tail != FS_TAIL_NONE
    SD(ZERO, ONE_RET, SP)
    .endif
    .if \tail > FS_TAIL_FG4
    SD(ZERO, (ONE_RET + 8), SP)
    .endif
    ADDI(R(a1), SP, ONE_RET)
    .endif
.endm

.macro fs_one_entry shape, tail
    .balign 16
    FS_FUNC(fs_entry_one_\shape\()_\tail)
    fs_enter_frame ONE_FRAME, ONE_RA
    fs_one_argument \shape, \tail
    LD(T0, FS_SLOT_HANDLER, SLOT)
    LD(R(a0), FS_SLOT_CIF, SLOT)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    ADDI(R(a2), SP, ONE_ARGV)
    JALR(T0)
    .if \tail == FS_TAIL_MEM
    fs_load_g 0, ONE_RET
    .else
    fs_load \tail, ONE_RET
    .endif
    fs_leave_frame ONE_FRAME, ONE_RA
    FS_END(fs_entry_one_\shape\()_\tail)
    fs_is_next_in fs_one, fs_entry_one_\shape\()_\tail
.endm

.macro fs_one_entries shape
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, FS_TAIL_MEM, FS_TAIL_PAIR, FS_TAIL_PAIR_D
    fs_one_entry \shape, \tail
    .endr
.endm

    fs_table_of_entries fs_one
    .irp shape, 1, 2, 3, 4, 5, 6, 7, 8
    .if \shape <= FS_ONE_SHAPES
    fs_one_entries \shape
    .endif
    .endr
