/* SPDX-License-Identifier: MIT */
/* state.c - ARM: what a call may not change besides memory, and what a handler must find */
#include <inttypes.h>

#include "rt.h"

#ifdef __ARM_PCS_VFP
const char *const fz_saved_names[FZ_SAVED] = {"r4", "r5", "r6",  "r7",  "r8",  "r9",  "r10", "r11",
                                              "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"};
#else
const char *const fz_saved_names[FZ_SAVED] = {"r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"};
#endif
enum { CORE_SAVED = 8 };

/* What a caller chooses: rounding mode, flush to zero, default NaN. The rest are flags. */
#define FPSCR_CONTROL 0x03c00000u

static uint32_t get_fpscr(void)
{
    uint32_t value = 0;
#ifdef __ARM_PCS_VFP
    __asm__ volatile("vmrs %0, fpscr" : "=r"(value));
#endif
    return value & FPSCR_CONTROL;
}

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
#ifdef __ARM_PCS_VFP
    static const uint32_t fpscrs[] = {0, 1u << 22, 2u << 22, 3u << 22, 3u << 24};
    f->fpscr = fpscrs[fz_random(rng) % 5];
#else
    (void)rng;
#endif
    for (int i = 0; i < CORE_SAVED; i++)
        f->set[i] &= UINT32_MAX;
}

uint64_t fz_state_before(void)
{
    return get_fpscr();
}

void fz_state_after(uint64_t own)
{
#ifdef __ARM_PCS_VFP
    __asm__ volatile("vmsr fpscr, %0" : : "r"((uint32_t)own));
#endif
    (void)own;
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    uintptr_t sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    if (sp % 8)
        fz_complain(call, "the handler's stack is not aligned to 8");
    if (get_fpscr() != f->fpscr)
        fz_complain(call, "the handler starts with FPSCR %#" PRIx32 "; expected %#" PRIx32,
                    get_fpscr(), f->fpscr);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    if (result && result->in_memory && f->back != f->hidden)
        fz_complain(call, "hidden pointer: expected r0 %#" PRIx32 ", seen %#" PRIx32, f->hidden,
                    f->back);
    if ((f->fpscr_after & FPSCR_CONTROL) != f->fpscr)
        fz_complain(call, "FPSCR: expected %#" PRIx32 ", seen %#" PRIx32, f->fpscr,
                    f->fpscr_after & FPSCR_CONTROL);
}
