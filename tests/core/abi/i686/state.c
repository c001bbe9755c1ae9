/* SPDX-License-Identifier: MIT */
/* state.c - i386: what a call may not change besides memory, and what a handler must find */
#include <inttypes.h>

#include "rt.h"

#define FLAG_DF 0x400u
#define MXCSR_CONTROL 0xffc0u

const char *const fz_saved_names[FZ_SAVED] = {"ebx", "esi", "edi", "ebp"};

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

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    static const uint32_t mxcsrs[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9fc0};
    static const uint16_t cws[] = {0x037f, 0x027f, 0x0f7f, 0x007f, 0x0b7f};
    f->mxcsr = mxcsrs[fz_random(rng) % 5];
    f->cw = cws[fz_random(rng) % 5];
    for (int i = 0; i < FZ_SAVED; i++)
        f->set[i] &= UINT32_MAX;
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

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    /* Above the frame's address are the caller's ebp and the return address. */
    if ((uintptr_t)__builtin_frame_address(0) % 16 != 8)
        fz_complain(call, "the handler's stack is not aligned to 16");
    if (__builtin_ia32_readeflags_u32() & FLAG_DF)
        fz_complain(call, "the handler starts with the direction flag set");
    if ((get_mxcsr() ^ f->mxcsr) & MXCSR_CONTROL || get_cw() != f->cw)
        fz_complain(call, "the handler starts with MXCSR %#x, x87 control %#x; expected %#x, %#x",
                    get_mxcsr(), get_cw(), f->mxcsr, f->cw);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    if (result && result->in_memory && f->eax != f->hidden && f->eax != f->ecx)
        fz_complain(call, "hidden pointer: expected eax %#x or %#x, seen %#x", f->hidden, f->ecx,
                    f->eax);
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
