/* SPDX-License-Identifier: MIT */
/* libffi.c - modules that make closures with libffi's functions: ctypes
 *
 * ffi_closure_alloc() and ffi_closure_free() work on slots of ours, and ffi_prep_closure_loc()
 * compiles a plan for the signature. The module goes on filling in an ffi_cif of libffi's and
 * keeping the two pointers that it gets. A closure that libffi made before install() goes back to
 * libffi. ctypes' handler is given its thunk, a Python object that owns the closure.
 */
#include "dropin/libffi.h"

#include "dropin/call.h"
#include "dropin/closure.h"
#include "dropin/thunk.h"

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

/* A callback's first call. The probe's goes to ctypes' handler, and its second one to us. */
static FS_COLD bool ask(struct fs_py_cell *cell, const ffi_cif *cif)
{
    struct fs_dropin *d = cell->served.data;
    if (fs_dropin_probing(d) && !(d->seen & FS_SAW_CALL)) {
        d->seen |= FS_SAW_CALL;
        fs_thunk_check(d, cif);
        return false;
    }
    return fs_thunk_learn(cell, cif);
}

/* Does our dispatch run this callback? */
static inline bool is_ours(struct fs_py_cell *cell, const ffi_cif *cif)
{
    if (fs_likely(cell->turbo == FS_TURBO_RUNS))
        return true;
    return cell->turbo == FS_TURBO_ASKS && ask(cell, cif);
}

static void call(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_call c;
    if (!fs_call_enter(&c, ticket, ret, fs_call_keeps_states))
        return;
    if (fs_unlikely(!fs_py_cell_valid(cell, ticket)))
        fs_py_closed_answer(ticket, ret, c.size);
    else if (fs_likely(is_ours(cell, cif)))
        fs_thunk_run(cell, cif, ret, args);
    else
        fs_call_run(cell->served.handler, cif, ret, args, cell->callback);
    fs_call_leave(&c);
}

static void hook_free(struct fs_dropin *d, void *closure)
{
    if (fs_likely(fs_dropin_free(d, closure, call))) {
        if (fs_dropin_probing(d))
            d->seen |= FS_SAW_FREE;
    } else {
        void (*original)(void *) = (void (*)(void *))fs_dropin_original(d, "ffi_closure_free");
        original(closure);
    }
}

static void check(struct fs_dropin *d, const ffi_cif *cif, ffi_static_handler theirs,
                  void *user_data)
{
    d->seen |= FS_SAW_PREP;
    fs_dropin_check_cif(d, cif);
    if (!fs_object_holds(&d->object, (void *)theirs))
        fs_dropin_wrong(d, "its closures run a function that is not its own");
    if (!user_data || strcmp(Py_TYPE((PyObject *)user_data)->tp_name, "_ctypes.CThunkObject") != 0)
        fs_dropin_wrong(d, "what its closures are given is not the object that is known");
}

/* The end of ctypes' CThunkObject, as Python 3.9 has it; `restype` is set before the closure is
 * prepared. */
struct thunk_end {
    ffi_cif cif;
    int flags;
    PyObject *converters, *callable, *restype;
};

/* Does C expect no result, although the cif describes one? */
static bool returns_nothing(const ffi_cif *cif)
{
    return FS_PY_CTYPES_VOID_IS_INT && ((const struct thunk_end *)cif)->restype == Py_None;
}

/* Prepare a closure of ours. False when it is not ours: then nothing has happened. */
static bool hook_prep(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                      ffi_static_handler theirs, void *thunk, ffi_status *status)
{
    int error = fs_dropin_prep((void *)closure, cif, call, theirs, thunk, d);
    if (fs_unlikely(error == -EINVAL) && !fs_dropin_is_ours(closure))
        return false;
    if (fs_likely(error == 0)) {
        struct fs_py_cell *cell = fs_py_cell_of(((ffi_static_closure *)closure)->user_data);
        if (returns_nothing(cif))
            cell->result_size = 0;
        if (fs_dropin_may_turbo(d))
            cell->turbo = FS_TURBO_ASKS;
    }
    if (fs_dropin_probing(d))
        check(d, cif, theirs, thunk);
    *status = fs_dropin_status(error);
    return true;
}

static ffi_status hook_prep_loc(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                ffi_static_handler theirs, void *thunk, void *code)
{
    ffi_status status;
    if (fs_likely(hook_prep(d, closure, cif, theirs, thunk, &status)))
        return status;
    fs_ffi_prep_loc *original = (fs_ffi_prep_loc *)fs_dropin_original(d, "ffi_prep_closure_loc");
    return original(closure, cif, theirs, thunk, code);
}

static ffi_status hook_prep_old(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                ffi_static_handler theirs, void *thunk)
{
    ffi_status status;
    if (fs_likely(hook_prep(d, closure, cif, theirs, thunk, &status)))
        return status;
    fs_ffi_prep *original = (fs_ffi_prep *)fs_dropin_original(d, "ffi_prep_closure");
    return original(closure, cif, theirs, thunk);
}

#define FUNCTIONS(n, unused)                                                                       \
    static void *alloc_##n(size_t size, void **code)                                               \
    {                                                                                              \
        return hook_alloc(&fs_dropins[n], size, code);                                             \
    }                                                                                              \
    static void free_##n(void *closure)                                                            \
    {                                                                                              \
        hook_free(&fs_dropins[n], closure);                                                        \
    }                                                                                              \
    static ffi_status prep_loc_##n(ffi_closure *closure, ffi_cif *cif, ffi_static_handler theirs,  \
                                   void *thunk, void *code)                                        \
    {                                                                                              \
        return hook_prep_loc(&fs_dropins[n], closure, cif, theirs, thunk, code);                   \
    }                                                                                              \
    static ffi_status prep_##n(ffi_closure *closure, ffi_cif *cif, ffi_static_handler theirs,      \
                               void *thunk)                                                        \
    {                                                                                              \
        return hook_prep_old(&fs_dropins[n], closure, cif, theirs, thunk);                         \
    }
FS_EACH_RECORD(FUNCTIONS, )

static const struct fs_dropin_hook hooks[] = {
    {"ffi_closure_alloc", FS_HOOKS(alloc)},
    {"ffi_closure_free", FS_HOOKS(free)},
    {"ffi_prep_closure_loc", FS_HOOKS(prep_loc)},
    {"ffi_prep_closure", FS_HOOKS(prep)},
    {NULL, {NULL}},
};

/* After uninstall() closures of ours still come to be freed. */
static bool still_needed(const struct fs_dropin *d, const char *symbol)
{
    return d->made != d->freed && strcmp(symbol, "ffi_closure_free") == 0;
}

const struct fs_dropin_kind fs_dropin_libffi = {
    .name = "libffi",
    .about = "its imports ffi_closure_alloc, ffi_closure_free and ffi_prep_closure_loc",
    .needs = {{{"ffi_closure_alloc"}},
              {{"ffi_closure_free"}},
              {{"ffi_prep_closure_loc", "ffi_prep_closure"}}},
    .proof = FS_SAW_ALLOC | FS_SAW_PREP | FS_SAW_FREE,
    .hooks = hooks,
    .still_needed = still_needed,
};
