/* SPDX-License-Identifier: MIT */
/* state.c - AArch64: what a call may not change besides memory, and what a handler must find */
#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25",
                                              "x26", "x27", "x28", "x29", "d8",  "d9",  "d10",
                                              "d11", "d12", "d13", "d14", "d15"};

static uint64_t get_modes(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}

static void set_modes(uint64_t value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    /* Rounding modes, flush to zero, default NaN. */
    static const uint64_t fpcrs[] = {0, 1u << 22, 2u << 22, 3u << 22, 3u << 24};
    f->modes = fpcrs[fz_random(rng) % 5];
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
    fz_garbage(rng, f->vector, sizeof f->vector);
}

#define MODES_NAME "FPCR"
#define MODES_OF(value) (value)
#include "../modes.h"
