/* SPDX-License-Identifier: MIT */
/* libffi.c - modules that make closures with libffi's functions: ctypes
 *
 * ffi_closure_alloc() and ffi_closure_free() become a slot of ours, ffi_prep_closure_loc() a plan
 * for the signature. The module fills in an ffi_cif of libffi's and keeps the pointers that it got,
 * as ever. A closure that libffi made before goes back to libffi. What ctypes' handler is given is
 * its thunk, a Python object that owns the closure.
 *
 * None of these calls says which module it comes from, so each record has functions of its own.
 */
#include "dropin/record.h"

#include <string.h>

static void *hook_alloc(struct fs_dropin *d, size_t size, void **code)
{
    size_t whole = size < sizeof(ffi_static_closure) ? sizeof(ffi_static_closure) : size;
    fs_py_reap_if_any();
    void *closure = code ? ffi_static_alloc(whole, 0, code) : NULL;
    if (fs_dropin_probing(d)) {
        d->seen |= FS_SAW_ALLOC;
        d->probes += closure != NULL;
        if (size != sizeof(ffi_closure))
            fs_dropin_wrong(d, "it asks ffi_closure_alloc() for closures of another size");
    }
    return closure;
}

static void call(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_dropin_call c;
    if (!fs_dropin_enter(&c, ticket, ret, fs_dropin_keep))
        return;
    if (FS_PY_LIKELY(fs_py_cell_valid(cell, ticket)))
        fs_dropin_run(cell->served.handler, cif, ret, args, cell->callback);
    else
        fs_py_closed_answer(ticket, ret, c.size);
    fs_dropin_leave(&c);
}

static void hook_free(struct fs_dropin *d, void *closure)
{
    if (FS_PY_LIKELY(fs_dropin_free(d, closure, call))) {
        if (fs_dropin_probing(d))
            d->seen |= FS_SAW_FREE;
    } else {
        void (*original)(void *) = (void (*)(void *))fs_dropin_original(d, "ffi_closure_free");
        original(closure);
    }
}

typedef void handler(ffi_cif *, void *, void **, void *);
typedef ffi_status prep_loc(ffi_closure *, ffi_cif *, handler *, void *, void *);
typedef ffi_status prep(ffi_closure *, ffi_cif *, handler *, void *);

static void check(struct fs_dropin *d, const ffi_cif *cif, handler *theirs, void *user_data)
{
    d->seen |= FS_SAW_PREP;
    fs_dropin_check_cif(d, cif);
    if (!fs_object_holds(&d->object, (void *)theirs))
        fs_dropin_wrong(d, "its closures run a function that is not its own");
    if (!user_data || strcmp(Py_TYPE((PyObject *)user_data)->tp_name, "_ctypes.CThunkObject") != 0)
        fs_dropin_wrong(d, "what its closures are given is not the object that is known");
}

/* 0 or -errno; 1: not ours. */
static int hook_prep(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif, handler *theirs,
                     void *thunk)
{
    int error = fs_dropin_prep((void *)closure, cif, call, theirs, thunk, &d->made);
    if (FS_PY_UNLIKELY(error == -EINVAL) && !fs_dropin_is_ours(closure))
        return 1;
    if (fs_dropin_probing(d))
        check(d, cif, theirs, thunk);
    return error;
}

static ffi_status hook_prep_loc(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                handler *theirs, void *thunk, void *code)
{
    int error = hook_prep(d, closure, cif, theirs, thunk);
    if (FS_PY_LIKELY(error <= 0))
        return fs_dropin_status(error);
    prep_loc *original = (prep_loc *)fs_dropin_original(d, "ffi_prep_closure_loc");
    return original(closure, cif, theirs, thunk, code);
}

static ffi_status hook_prep_old(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                handler *theirs, void *thunk)
{
    int error = hook_prep(d, closure, cif, theirs, thunk);
    if (FS_PY_LIKELY(error <= 0))
        return fs_dropin_status(error);
    prep *original = (prep *)fs_dropin_original(d, "ffi_prep_closure");
    return original(closure, cif, theirs, thunk);
}

#define FS_RECORD(n)                                                                               \
    static void *alloc_##n(size_t size, void **code)                                               \
    {                                                                                              \
        return hook_alloc(&fs_dropins[n], size, code);                                             \
    }                                                                                              \
    static void free_##n(void *closure)                                                            \
    {                                                                                              \
        hook_free(&fs_dropins[n], closure);                                                        \
    }                                                                                              \
    static ffi_status prep_loc_##n(ffi_closure *closure, ffi_cif *cif, handler *theirs,            \
                                   void *user_data, void *code)                                    \
    {                                                                                              \
        return hook_prep_loc(&fs_dropins[n], closure, cif, theirs, user_data, code);               \
    }                                                                                              \
    static ffi_status prep_##n(ffi_closure *closure, ffi_cif *cif, handler *theirs,                \
                               void *user_data)                                                    \
    {                                                                                              \
        return hook_prep_old(&fs_dropins[n], closure, cif, theirs, user_data);                     \
    }
FS_RECORD(0)
FS_RECORD(1)
FS_RECORD(2)
FS_RECORD(3)
FS_RECORD(4)
FS_RECORD(5)
FS_RECORD(6)
FS_RECORD(7)

#define FS_EACH(hook)                                                                              \
    {                                                                                              \
        (void *)hook##_0, (void *)hook##_1, (void *)hook##_2, (void *)hook##_3, (void *)hook##_4,  \
            (void *)hook##_5, (void *)hook##_6, (void *)hook##_7                                   \
    }
static const struct fs_dropin_hook hooks[] = {
    {"ffi_closure_alloc", FS_EACH(alloc)},
    {"ffi_closure_free", FS_EACH(free)},
    {"ffi_prep_closure_loc", FS_EACH(prep_loc)},
    {"ffi_prep_closure", FS_EACH(prep)},
    {NULL, {NULL}},
};

/* After uninstall() closures of ours come back to be freed. */
static int still_needed(const struct fs_dropin *d, const char *symbol)
{
    return d->made != d->freed && strcmp(symbol, "ffi_closure_free") == 0;
}

const struct fs_dropin_kind fs_dropin_libffi = {
    .name = "libffi",
    .about = "its imports ffi_closure_alloc, ffi_closure_free and ffi_prep_closure_loc",
    .symbols = {"ffi_closure_alloc", "ffi_closure_free", "ffi_prep_closure_loc|ffi_prep_closure"},
    .proof = FS_SAW_ALLOC | FS_SAW_PREP | FS_SAW_FREE,
    .hooks = hooks,
    .still_needed = still_needed,
};
