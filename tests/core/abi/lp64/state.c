/* SPDX-License-Identifier: MIT */
/* state.c - RISC-V and LoongArch: what a call may not change besides memory, and what a handler
 * must find
 *
 * state.c of either includes this after it has defined get_fcsr(), set_modes(), which do nothing
 * where there are no floating-point registers, ROUNDING, the rounding modes, and MODES, their bits.
 * The other bits say which exceptions were raised.
 */
void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    static const uint64_t modes[] = ROUNDING;
    f->modes = modes[fz_random(rng) % (sizeof modes / sizeof *modes)];
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
    fz_garbage(rng, &f->vector, sizeof f->vector);
}

#define MODES_NAME "FCSR"
#define MODES_OF(value) ((value)&MODES)

static uint64_t get_modes(void)
{
    return MODES_OF(get_fcsr());
}

#include "../modes.h"
