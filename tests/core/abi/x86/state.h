/* SPDX-License-Identifier: MIT */
/* state.h - i386 and x86-64: flags, MXCSR and the x87, which a call may not change
 *
 * state.c of either includes this, and says the rest: general registers and the stack.
 */
#include <inttypes.h>

#include "rt.h"

#define FLAG_DF 0x400u
#define MXCSR_CONTROL 0xffc0u

static uint32_t get_mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static uint16_t get_cw(void)
{
    uint16_t value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static void draw_modes(struct fz_frame *f, uint64_t *rng)
{
    static const uint32_t mxcsrs[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9fc0};
    static const uint16_t cws[] = {0x037f, 0x027f, 0x0f7f, 0x007f, 0x0b7f};
    f->mxcsr = mxcsrs[fz_random(rng) % 5];
    f->cw = cws[fz_random(rng) % 5];
}

uint64_t fz_state_before(void)
{
    const uint16_t cw = get_cw();
    __asm__ volatile("fninit");
    return cw;
}

void fz_state_after(uint64_t own)
{
    const uint16_t cw = (uint16_t)own;
    __asm__ volatile("fldcw %0" : : "m"(cw));
}

static void check_modes_in_handler(const struct fz_frame *f, uint64_t flags, void *call)
{
    if (flags & FLAG_DF)
        fz_complain(call, "the handler starts with the direction flag set");
    if ((get_mxcsr() ^ f->mxcsr) & MXCSR_CONTROL || get_cw() != f->cw)
        fz_complain(call, "the handler starts with MXCSR %#x, x87 control %#x; expected %#x, %#x",
                    get_mxcsr(), get_cw(), f->mxcsr, f->cw);
}

static void check_modes_after(const struct fz_frame *f, const fz_type *result, void *call)
{
    if (f->flags & FLAG_DF)
        fz_complain(call, "the direction flag is set after the call");
    if ((f->mxcsr_after ^ f->mxcsr) & MXCSR_CONTROL)
        fz_complain(call, "MXCSR: expected %#x, seen %#x", f->mxcsr, f->mxcsr_after);
    if (f->x87[0] != f->cw)
        fz_complain(call, "x87 control word: expected %#x, seen %#x", f->cw, f->x87[0]);
    unsigned depth = result ? result->x87 : 0, full = 0;
    for (int i = 0; i < 8; i++)
        full += ((f->x87[4] >> (2 * i)) & 3) != 3;
    if (full != depth || ((f->x87[2] >> 11) & 7) != ((8 - depth) & 7))
        fz_complain(call, "x87 stack: expected %u registers, seen %u (top %u)", depth, full,
                    (f->x87[2] >> 11) & 7);
}
