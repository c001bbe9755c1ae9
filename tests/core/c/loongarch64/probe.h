/* SPDX-License-Identifier: MIT */
/* probe.h - LoongArch: what ../lp64/probe.h must know of registers and instructions */
#ifndef PROBE_H
#define PROBE_H

#define SP_NUMBER 3
#define FREE_NUMBER 20
enum { SP = SP_NUMBER };
#define ZERO 0

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_A0
#define ARGUMENT_2 FFI_STATIC_A2
#define OWN FFI_STATIC_T0
#define ANY FFI_STATIC_T4
#define OTHER FFI_STATIC_T5
#define THIRD FFI_STATIC_T6

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1 || r == FFI_STATIC_T1 - 1;
}

#define GENERAL                                                                                    \
    "2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, "    \
    "27, 28, 29, 30, 31"
#define KEPT "1, 2, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31"
#define FLOATS_KEPT "24, 25, 26, 27, 28, 29, 30, 31"
#define OPS                                                                                        \
    ".macro fz_ld n, at, base\nld.d $r\\n, $r\\base, \\at\n.endm\n"                                \
    ".macro fz_st n, at, base\nst.d $r\\n, $r\\base, \\at\n.endm\n"                                \
    ".macro fz_fld n, at, base\nfld.d $f\\n, $r\\base, \\at\n.endm\n"                              \
    ".macro fz_fst n, at, base\nfst.d $f\\n, $r\\base, \\at\n.endm\n"                              \
    ".macro fz_add n, by\naddi.d $r\\n, $r\\n, \\by\n.endm\n"                                      \
    ".macro fz_la n, symbol\nla.local $r\\n, \\symbol\n.endm\n"                                    \
    ".macro fz_call n\njirl $r1, $r\\n, 0\n.endm\n"                                                \
    ".macro fz_jump to\nb \\to\n.endm\n"                                                           \
    ".macro fz_get_flags n\nmovfcsr2gr $r\\n, $fcsr0\n.endm\n"                                     \
    ".macro fz_set_flags n\nmovgr2fcsr $fcsr0, $r\\n\n.endm\n"                                     \
    ".macro fz_ret\njr $r1\n.endm\n"

/* Rounding down, and each exception raised. */
#define FLAGS_SET 0x1f0300u
#define FLAGS_CLEAR 0u
#define FLAGS_SEEN 0x1f0300u

#include "../lp64/probe.h"

#endif
