/* SPDX-License-Identifier: MIT */
/* state.c - ELFv2: what a call may not change besides memory, and what a handler must find */
#include <inttypes.h>
#include <string.h>

#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {
    "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
    "r27", "r28", "r29", "r30", "r31", "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21",
    "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29", "f30", "f31", "v20", "v20", "v21",
    "v21", "v22", "v22", "v23", "v23", "v24", "v24", "v25", "v25", "v26", "v26", "v27", "v27",
    "v28", "v28", "v29", "v29", "v30", "v30", "v31", "v31", "cr"};

#define ROUNDING 3u /* of FPSCR; the rest is flags that computing sets */

static uint64_t get_fpscr(void)
{
    double image;
    uint64_t bits;
    __asm__ volatile("mffs %0" : "=d"(image));
    memcpy(&bits, &image, sizeof bits);
    return bits & ROUNDING;
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    f->fpscr = fz_random(rng) & ROUNDING;
    f->set[FZ_CR] &= FZ_CR_KEPT;
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
}

uint64_t fz_state_before(void)
{
    return get_fpscr();
}

void fz_state_after(uint64_t own)
{
    double image;
    memcpy(&image, &own, sizeof image);
    __asm__ volatile("mtfsf 255, %0" : : "d"(image));
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    if (get_fpscr() != f->fpscr)
        fz_complain(call, "the handler starts with rounding mode %" PRIu64 "; expected %" PRIu64,
                    get_fpscr(), f->fpscr);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    (void)result;
    if ((f->fpscr_after & ROUNDING) != f->fpscr)
        fz_complain(call, "FPSCR: expected rounding mode %" PRIu64 ", seen %" PRIu64, f->fpscr,
                    f->fpscr_after & ROUNDING);
}
