/* SPDX-License-Identifier: MIT */
/* state.c - RISC-V and LoongArch: what a call may not change besides memory, and what a handler
 * must find
 *
 * state.c of either includes this after it has defined get_fcsr(), set_fcsr(), which do nothing
 * where there are no floating-point registers, ROUNDING, the rounding modes, and MODES, their bits.
 */
void fz_draw_state(struct fz_frame *f, uint64_t *rng)
{
    static const uint64_t modes[] = ROUNDING;
    f->fcsr = modes[fz_random(rng) % (sizeof modes / sizeof *modes)];
    fz_garbage(rng, &f->scratch, sizeof f->scratch);
    fz_garbage(rng, &f->vector, sizeof f->vector);
}

uint64_t fz_state_before(void)
{
    return get_fcsr();
}

void fz_state_after(uint64_t own)
{
    set_fcsr(own);
}

/* Exceptions that were raised are not modes. */
void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    if ((get_fcsr() ^ f->fcsr) & MODES)
        fz_complain(call, "the handler starts with FCSR %#" PRIx64 "; expected %#" PRIx64,
                    get_fcsr(), f->fcsr);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    (void)result;
    if ((f->fcsr_after ^ f->fcsr) & MODES)
        fz_complain(call, "FCSR: expected %#" PRIx64 ", seen %#" PRIx64, f->fcsr, f->fcsr_after);
}
