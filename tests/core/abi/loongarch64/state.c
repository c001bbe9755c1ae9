/* SPDX-License-Identifier: MIT */
/* state.c - LoongArch: registers that a callee keeps, and the floating-point modes
 * (../lp64/state.c)
 */
#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {"s0",  "s1",  "s2",  "s3",  "s4",  "s5",
                                              "s6",  "s7",  "s8",  "fp",  "fs0", "fs1",
                                              "fs2", "fs3", "fs4", "fs5", "fs6", "fs7"};

static uint64_t get_fcsr(void)
{
    uint64_t value = 0;
#ifndef __loongarch_soft_float
    __asm__ volatile("movfcsr2gr %0, $r0" : "=r"(value));
#endif
    return value;
}

static void set_modes(uint64_t value)
{
    (void)value;
#ifndef __loongarch_soft_float
    __asm__ volatile("movgr2fcsr $r0, %0" : : "r"(value));
#endif
}

/* To nearest, towards zero, up, down. */
#define ROUNDING                                                                                   \
    {                                                                                              \
        0x000, 0x100, 0x200, 0x300                                                                 \
    }
#define MODES 0x300u
#include "../lp64/state.c"
