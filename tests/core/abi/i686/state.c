/* SPDX-License-Identifier: MIT */
/* state.c - i386: what a call may not change besides memory, and what a handler must find */
#include "../x86/state.h"

const char *const fz_saved_names[FZ_SAVED] = {"ebx", "esi", "edi", "ebp"};

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    draw_modes(f, rng);
    for (int i = 0; i < FZ_SAVED; i++)
        f->set[i] &= UINT32_MAX;
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    /* Above the frame's address are the caller's ebp and the return address. */
    if ((uintptr_t)__builtin_frame_address(0) % 16 != 8)
        fz_complain(call, "the handler's stack is not aligned to 16");
    check_modes_in_handler(f, __builtin_ia32_readeflags_u32(), call);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    if (result && result->in_memory && f->eax != f->hidden && f->eax != f->ecx)
        fz_complain(call, "hidden pointer: expected eax %#x or %#x, seen %#x", f->hidden, f->ecx,
                    f->eax);
    check_modes_after(f, result, call);
}
