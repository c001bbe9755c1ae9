/* SPDX-License-Identifier: MIT */
/* state.c - s390x: what a call may not change besides memory, and what a handler must find */
#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {"r6", "r7", "r8",  "r9",  "r10", "r11", "r12", "r13",
                                              "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15"};

static uint32_t get_modes(void)
{
    uint32_t value;
    __asm__ volatile("efpc %0" : "=r"(value));
    return value;
}

static void set_modes(uint64_t value)
{
    __asm__ volatile("sfpc %0" : : "r"((uint32_t)value));
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    f->modes = fz_random(rng) % 4; /* rounding modes */
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
}

#define MODES_NAME "FPC"
#define MODES_OF(value) (value)
#include "../modes.h"
