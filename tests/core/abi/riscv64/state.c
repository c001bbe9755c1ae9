/* SPDX-License-Identifier: MIT */
/* state.c - RISC-V: registers that a callee keeps, and the floating-point modes (../lp64/state.c)
 */
#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {
    "s0",  "s1",  "s2",  "s3",  "s4",  "s5",  "s6",  "s7",  "s8",  "s9",  "s10",  "s11",
    "fs0", "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"};

static uint64_t get_fcsr(void)
{
    uint64_t value = 0;
#ifdef __riscv_flen
    __asm__ volatile("frcsr %0" : "=r"(value));
#endif
    return value;
}

static void set_modes(uint64_t value)
{
    (void)value;
#ifdef __riscv_flen
    __asm__ volatile("fscsr %0" : : "r"(value));
#endif
}

/* To nearest, towards zero, down, up, to nearest with ties away. */
#define ROUNDING                                                                                   \
    {                                                                                              \
        0x00, 0x20, 0x40, 0x60, 0x80                                                               \
    }
#define MODES 0xe0u
#include "../lp64/state.c"
