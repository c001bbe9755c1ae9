/* SPDX-License-Identifier: MIT */
/* closure.h - what the hooks of both kinds do with closures: prepare, free, and what a probe checks
 *
 * Each closure of ours has a cell (py/cell.h), which outlives the closure and the object that the
 * module's handler is given. Functions return 0 or -errno; the GIL is held.
 */
#ifndef FS_DROPIN_CLOSURE_H
#define FS_DROPIN_CLOSURE_H

#include "dropin/record.h"
#include "py/cell.h"
#include "py/running.h"

#include <ffi.h>

#include "ffi_static.h"

/* libffi's functions, which modules import. */
typedef ffi_status fs_ffi_prep(ffi_closure *, ffi_cif *, ffi_static_handler, void *);
typedef ffi_status fs_ffi_prep_loc(ffi_closure *, ffi_cif *, ffi_static_handler, void *, void *);

/* Whose dispatch runs a closure's calls: `turbo` of its cell. Chosen when the closure is prepared
 * and at its first call; the types are looked at only then, so that making a callback costs nothing
 * more. */
enum fs_turbo {
    FS_TURBO_OFF,  /* the module's handler */
    FS_TURBO_ASKS, /* not known yet */
    FS_TURBO_RUNS, /* ours: the same conversions, chosen once */
};

static inline enum fs_turbo fs_turbo_of(const struct fs_py_cell *cell)
{
    return (enum fs_turbo)fs_py_load(&cell->turbo);
}

/* The first call has decided. `types`: what later ones are to know. Without the GIL several calls
 * may be the first; all decide the same. */
FS_HIDDEN void fs_turbo_decide(struct fs_dropin *d, struct fs_py_cell *cell, bool ours,
                               uint32_t types);

/* install(turbo=False): closures that are made from now on do not run by our dispatch. */
extern FS_HIDDEN bool fs_turbo_off;

/* May a closure that is made now? */
static inline bool fs_dropin_may_turbo(const struct fs_dropin *d)
{
    return !fs_py_load(&d->no_turbo) &&
           (fs_py_load(&d->state) == FS_DROPIN_SERVED ? !fs_py_load(&fs_turbo_off)
                                                      : fs_dropin_probing(d));
}

/* The probe's signature is int(short, double, void *): does this cif say so? */
FS_HIDDEN void fs_dropin_check_cif(struct fs_dropin *d, const ffi_cif *cif);

/* Does this address lie in a slot, live or not? */
FS_HIDDEN bool fs_dropin_is_ours(const void *closure);

/* Fill in a fresh cell for a closure with this signature. */
static inline void fs_dropin_fill(struct fs_py_cell *cell, const ffi_static_closure *closure,
                                  const ffi_cif *cif, ffi_static_handler handler, PyObject *object,
                                  void *data)
{
    const ffi_type *type = cif->rtype;
    size_t size = type->type == FFI_TYPE_VOID    ? 0
                  : type->size < sizeof(ffi_arg) ? sizeof(ffi_arg)
                                                 : type->size;
    /* a reader that sees this size sees the cell's new generation as well */
    __atomic_store_n(&cell->result_size, (uint32_t)size, __ATOMIC_RELEASE);
    cell->closure = closure;
    cell->served.handler = handler;
    cell->served.data = data;
    fs_py_store(&cell->turbo, FS_TURBO_OFF);
    fs_py_store(&cell->callback, object);
}

/* How libffi says an error of ffi_static_prep(). */
static inline ffi_status fs_dropin_status(int error)
{
    return error == 0 ? FFI_OK : error == -ENOTSUP ? FFI_BAD_ABI : FFI_BAD_TYPEDEF;
}

/* The object of a closure that was prepared with `call` is about to be freed or cleared: no call of
 * it begins any more, and those that run keep used[]. A second time does nothing. */
FS_HIDDEN void fs_dropin_finish(const ffi_static_closure *closure, ffi_static_handler call,
                                const PyObject *object, PyObject *const used[FS_PY_KEPT]);

/* Free a closure that was prepared with `call`, or not at all. When Python ends, the closure and
 * its cell stay, so that late calls are answered (py/ending.h). False, and nothing has changed,
 * when the closure is not ours. */
FS_HIDDEN bool fs_dropin_free(struct fs_dropin *d, ffi_static_closure *closure,
                              ffi_static_handler call);

#endif
