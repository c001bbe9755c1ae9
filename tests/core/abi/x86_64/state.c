/* SPDX-License-Identifier: MIT */
/* state.c - x86-64: what a call may not change besides memory, and what a handler must find */
#include "../x86/state.h"

const char *const fz_saved_names[FZ_SAVED] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};

void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    draw_modes(f, rng);
    fz_garbage(rng, f->scratch, sizeof f->scratch);
    fz_garbage(rng, f->xmm, sizeof f->xmm);
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    check_modes_in_handler(f, __builtin_ia32_readeflags_u64(), call);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    if (result && result->in_memory && f->rax != f->hidden)
        fz_complain(call, "hidden pointer: expected rax %#" PRIx64 ", seen %#" PRIx64, f->hidden,
                    f->rax);
    check_modes_after(f, result, call);
}
