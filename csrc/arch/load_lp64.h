/* SPDX-License-Identifier: MIT */
/* load_lp64.h - RISC-V and LoongArch: how each FS_TAIL_* loads the registers of a result
 *
 * Not a header for C; entry_lp64.h includes it. lp64.h says what each tail is.
 */
/* clang-format off */

/* Parts of a result, from sp + at. */
.macro fs_load_f n, at
#if FS_FLEN >= 4
    FLW(R(fa\n), \at, SP)
#endif
.endm
.macro fs_load_d n, at
#if FS_FLEN >= 8
    FLD(R(fa\n), \at, SP)
#endif
.endm
.macro fs_load_g n, at
    LD(R(a\n), \at, SP)
.endm

/* Load the result, which is at `at` from sp, the way that FS_TAIL_<tail> says. The register that the
 * caller does not look at may hold anything. */
.macro fs_load tail, at
    .if \tail == FS_TAIL_WORD
    fs_load_g 0, \at
    fs_load_d 0, \at
    .elseif \tail == FS_TAIL_S32
    LW(R(a0), \at, SP)
    .elseif \tail == FS_TAIL_U32
    LW(R(a0), \at, SP)
    fs_load_f 0, \at
    .elseif \tail == FS_TAIL_S16
    LH(R(a0), \at, SP)
    .elseif \tail == FS_TAIL_U16
    LHU(R(a0), \at, SP)
    .elseif \tail == FS_TAIL_S8
    LB(R(a0), \at, SP)
    .elseif \tail == FS_TAIL_U8
    LBU(R(a0), \at, SP)
    .elseif \tail == FS_TAIL_PAIR
    fs_load_g 0, \at
    fs_load_g 1, (\at + 8)
    .elseif \tail == FS_TAIL_PAIR_D
    fs_load_d 0, \at
    fs_load_d 1, (\at + 8)
    .else
    fs_load_two \tail, \at
    .endif
.endm

/* Structs of two members, one a register; and void. Bits that no member has may be anything. */
.macro fs_load_two tail, at
    .if \tail == FS_TAIL_FF4
    fs_load_f 0, \at
    fs_load_f 1, (\at + 4)
    .elseif \tail == FS_TAIL_GF4
    LW(R(a0), \at, SP)
    fs_load_f 0, (\at + 4)
    .elseif \tail == FS_TAIL_FG4
    fs_load_f 0, \at
    LW(R(a0), (\at + 4), SP)
    .elseif \tail == FS_TAIL_FF8
    fs_load_f 0, \at
    fs_load_f 1, (\at + 8)
    .elseif \tail == FS_TAIL_GF8
    fs_load_g 0, \at
    fs_load_f 0, (\at + 8)
    .elseif \tail == FS_TAIL_FG8
    fs_load_f 0, \at
    fs_load_g 0, (\at + 8)
    .elseif \tail == FS_TAIL_FD8
    fs_load_f 0, \at
    fs_load_d 1, (\at + 8)
    .elseif \tail == FS_TAIL_DF8
    fs_load_d 0, \at
    fs_load_f 1, (\at + 8)
    .elseif \tail == FS_TAIL_GD8
    fs_load_g 0, \at
    fs_load_d 0, (\at + 8)
    .elseif \tail == FS_TAIL_DG8
    fs_load_d 0, \at
    fs_load_g 0, (\at + 8)
    .elseif \tail == FS_TAIL_DD8
    fs_load_d 0, \at
    fs_load_d 1, (\at + 8)
    .elseif \tail != FS_TAIL_NONE
    .error "fs_load does not know this tail"
    .endif
.endm
