/* SPDX-License-Identifier: MIT */
/* probe.h - RISC-V: what ../lp64/probe.h must know of registers and instructions */
#ifndef PROBE_H
#define PROBE_H

#define SP_NUMBER 2
#define FREE_NUMBER 31
enum { SP = SP_NUMBER };
#define ZERO 0

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_A0
#define ARGUMENT_2 FFI_STATIC_A2
#define OWN FFI_STATIC_T1
#define ANY FFI_STATIC_T4
#define OTHER FFI_STATIC_T5
#define THIRD FFI_STATIC_T0

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1 || r == FFI_STATIC_T3 - 1;
}

#define GENERAL                                                                                    \
    "3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, "    \
    "27, 28, 29, 30, 31"
#define KEPT "1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27"
#define FLOATS_KEPT "8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27"
#define OPS                                                                                        \
    ".option push\n.option norelax\n" /* gp is not what it was */                                  \
    ".macro fz_ld n, at, base\nld x\\n, \\at(x\\base)\n.endm\n"                                    \
    ".macro fz_st n, at, base\nsd x\\n, \\at(x\\base)\n.endm\n"                                    \
    ".macro fz_fld n, at, base\nfld f\\n, \\at(x\\base)\n.endm\n"                                  \
    ".macro fz_fst n, at, base\nfsd f\\n, \\at(x\\base)\n.endm\n"                                  \
    ".macro fz_add n, by\naddi x\\n, x\\n, \\by\n.endm\n"                                          \
    ".macro fz_la n, symbol\nlla x\\n, \\symbol\n.endm\n"                                          \
    ".macro fz_call n\njalr x\\n\n.endm\n"                                                         \
    ".macro fz_jump to\nj \\to\n.endm\n"                                                           \
    ".macro fz_get_flags n\nfrcsr x\\n\n.endm\n"                                                   \
    ".macro fz_set_flags n\nfscsr x\\n\n.endm\n"                                                   \
    ".macro fz_ret\nret\n.endm\n"

/* Rounding up, and each exception raised. */
#define FLAGS_SET 0x7fu
#define FLAGS_CLEAR 0u
#define FLAGS_SEEN 0xffu

#include "../lp64/probe.h"

#endif
