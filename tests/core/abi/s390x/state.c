/* SPDX-License-Identifier: MIT */
/* state.c - s390x: what a call may not change besides memory, and what a handler must find */
#include <inttypes.h>

#include "rt.h"

const char *const fz_saved_names[FZ_SAVED] = {"r6", "r7", "r8",  "r9",  "r10", "r11", "r12", "r13",
                                              "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15"};

static uint32_t get_fpc(void)
{
    uint32_t value;
    __asm__ volatile("efpc %0" : "=r"(value));
    return value;
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    f->fpc = fz_random(rng) % 4; /* rounding modes */
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
}

uint64_t fz_state_before(void)
{
    return get_fpc();
}

void fz_state_after(uint64_t own)
{
    __asm__ volatile("sfpc %0" : : "r"((uint32_t)own));
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    if (get_fpc() != f->fpc)
        fz_complain(call, "the handler starts with FPC %#" PRIx32 "; expected %#" PRIx32, get_fpc(),
                    f->fpc);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    (void)result;
    if (f->fpc_after >> 32 != f->fpc)
        fz_complain(call, "FPC: expected %#" PRIx32 ", seen %#" PRIx64, f->fpc, f->fpc_after >> 32);
}
