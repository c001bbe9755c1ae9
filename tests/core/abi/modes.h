/* SPDX-License-Identifier: MIT */
/* modes.h - the rest of a state.c: a call may not change the one register of floating-point modes
 *
 * A state.c includes this at its end, after it has defined MODES_NAME, the register's name;
 * get_modes(), which gives the bits of it that a caller chooses; set_modes(), which restores what
 * get_modes() gave; and MODES_OF(value), those bits of what the shim has read.
 */
uint64_t fz_state_before(void)
{
    return get_modes();
}

void fz_state_after(uint64_t own)
{
    set_modes(own);
}

void fz_check_handler_state(const struct fz_frame *f, void *call)
{
    if (get_modes() != f->modes)
        fz_complain(call, "the handler starts with " MODES_NAME " %#llx; expected %#llx",
                    (unsigned long long)get_modes(), (unsigned long long)f->modes);
}

void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call)
{
    (void)result;
    if (MODES_OF(f->modes_after) != f->modes)
        fz_complain(call, MODES_NAME ": expected %#llx, seen %#llx", (unsigned long long)f->modes,
                    (unsigned long long)MODES_OF(f->modes_after));
}
