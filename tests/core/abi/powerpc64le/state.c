/* SPDX-License-Identifier: MIT */
/* state.c - ELFv2: what a call may not change besides memory, and what a handler must find */
#include <string.h>

#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {
    "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
    "r27", "r28", "r29", "r30", "r31", "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21",
    "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29", "f30", "f31", "v20", "v20", "v21",
    "v21", "v22", "v22", "v23", "v23", "v24", "v24", "v25", "v25", "v26", "v26", "v27", "v27",
    "v28", "v28", "v29", "v29", "v30", "v30", "v31", "v31", "cr"};

#define ROUNDING 3u /* of FPSCR; the rest is flags that computing sets */

static uint64_t get_modes(void)
{
    double image;
    uint64_t bits;
    __asm__ volatile("mffs %0" : "=d"(image));
    memcpy(&bits, &image, sizeof bits);
    return bits & ROUNDING;
}

static void set_modes(uint64_t value)
{
    double image;
    memcpy(&image, &value, sizeof image);
    __asm__ volatile("mtfsf 255, %0" : : "d"(image));
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    f->modes = fz_random(rng) & ROUNDING;
    f->set[FZ_CR] &= FZ_CR_KEPT;
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
}

#define MODES_NAME "FPSCR"
#define MODES_OF(value) ((value)&ROUNDING)
#include "../modes.h"
