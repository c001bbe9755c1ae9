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

static bool is_thunk(const PyObject *object)
{
    return strcmp(Py_TYPE(object)->tp_name, "_ctypes.CThunkObject") == 0;
}

static inline void *alloc_slot(size_t size, void **code)
{
    size_t whole = size < sizeof(ffi_static_closure) ? sizeof(ffi_static_closure) : size;
    return code ? ffi_static_alloc(whole, 0, code) : NULL;
}

static FS_COLD void *probed_alloc(struct fs_dropin *d, size_t size, void **code)
{
    void *closure = alloc_slot(size, code);
    d->seen |= FS_SAW_ALLOC;
    d->probes += closure != NULL;
    if (size != sizeof(ffi_closure))
        fs_dropin_wrong(d, "it asks ffi_closure_alloc() for closures of another size");
    return closure;
}

static void *hook_alloc(struct fs_dropin *d, size_t size, void **code)
{
    if (FS_PY_NO_GIL && fs_py_load(&d->state) == FS_DROPIN_RESTORED) {
        void *(*original)(size_t, void **) =
            (void *(*)(size_t, void **))fs_dropin_original(d, "ffi_closure_alloc");
        return original(size, code);
    }
    fs_py_reap_if_any();
    return fs_dropin_probing(d) ? probed_alloc(d, size, code) : alloc_slot(size, code);
}

/* The call goes to ctypes' handler. */
static bool to_theirs(const struct fs_py_cell *cell, struct fs_py_running *running)
{
    fs_py_running_seen(running, cell->callback);
    return false;
}

/* A callback's first call. The probe's goes to ctypes' handler, and its second one to us. */
static FS_COLD bool ask(struct fs_py_cell *cell, struct fs_py_running *running, ffi_cif *cif,
                        void *ret, void **args)
{
    struct fs_dropin *d = cell->served.data;
    if (fs_dropin_probing(d) && !(d->seen & FS_SAW_CALL)) {
        d->seen |= FS_SAW_CALL;
        (void)to_theirs(cell, running);
        fs_thunk_check(d, cif);
        return false;
    }
    return fs_thunk_learn(cell, cif) ? fs_thunk_run(cell, running, cif, ret, args)
                                     : to_theirs(cell, running);
}

/* Run the callback by our dispatch. False: ctypes' handler has to run it. */
static inline bool run(struct fs_py_cell *cell, struct fs_py_running *running, ffi_cif *cif,
                       void *ret, void **args)
{
    const enum fs_turbo turbo = fs_turbo_of(cell);
    if (fs_likely(turbo == FS_TURBO_RUNS))
        return fs_thunk_run(cell, running, cif, ret, args);
    return turbo == FS_TURBO_ASKS ? ask(cell, running, cif, ret, args) : to_theirs(cell, running);
}

static void call(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_py_running running;
    struct fs_call c;
    if (!fs_call_enter(&c, ticket, ret, fs_py_load(&fs_call_keeps_states)))
        return;
    if (fs_likely(fs_py_running_begin(&running, cell, ticket))) {
        const ffi_static_handler handler = cell->served.handler;
        if (fs_unlikely(!run(cell, &running, cif, ret, args)))
            fs_call_theirs(&c, &running, handler, cif, ret, args, ticket);
        fs_py_running_end(&running);
    } else {
        fs_py_closed_answer(ticket, ret, c.size);
    }
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
    if (!user_data || !is_thunk(user_data))
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

static int (*const clears[FS_DROPIN_MODULES])(void *);

/* What became of ffi_static_prep() with the cell: it failed, or the closure had a cell before. */
static FS_COLD void prep_is_unusual(struct fs_dropin *d, const ffi_static_closure *closure,
                                    struct fs_py_cell *cell, void *before, int error)
{
    fs_py_cell_free(error < 0 ? cell : fs_py_cell_of(before), NULL);
    fs_py_add(&d->made, -1UL);
    if (error == -EALREADY)
        fs_die("ffi_static: the closure at @ is prepared after it was freed", (uintptr_t)closure,
               0);
}

/* What `code` of hook_prep() is when the module calls ffi_prep_closure(), which has no such
 * argument. */
static char no_code;

/* The closure is libffi's, and libffi prepares it. */
static FS_COLD ffi_status prep_theirs(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                      ffi_static_handler theirs, void *thunk, void *code)
{
    if (code == &no_code) {
        fs_ffi_prep *original = (fs_ffi_prep *)fs_dropin_original(d, "ffi_prep_closure");
        return original(closure, cif, theirs, thunk);
    }
    fs_ffi_prep_loc *original = (fs_ffi_prep_loc *)fs_dropin_original(d, "ffi_prep_closure_loc");
    return original(closure, cif, theirs, thunk, code);
}

/* Prepare a closure: `call` gets a ticket to a cell that holds the rest. */
static ffi_status hook_prep(struct fs_dropin *d, ffi_closure *given, ffi_cif *cif,
                            ffi_static_handler theirs, void *thunk, void *code)
{
    ffi_static_closure *closure = (void *)given;
    struct fs_py_cell *cell = fs_py_cell_new(FS_PY_MODULES, &d->made);
    int error = -ENOMEM;
    if (fs_likely(cell != NULL)) {
        fs_dropin_fill(cell, closure, cif, theirs, thunk, d);
        ffi_static_handler was = closure->handler;
        void *before = closure->user_data;
        error = ffi_static_prep(closure, cif, call, fs_py_cell_ticket(cell), 0);
        if (fs_unlikely(error < 0 || was == call))
            prep_is_unusual(d, closure, cell, before, error);
    }
    if (fs_unlikely(error == -EINVAL) && !fs_dropin_is_ours(closure))
        return prep_theirs(d, given, cif, theirs, thunk, code);
    if (fs_likely(error == 0)) {
        if (returns_nothing(cif))
            cell->result_size = 0;
        if (fs_dropin_may_turbo(d))
            fs_py_store(&cell->turbo, FS_TURBO_ASKS);
        fs_py_enable_try(thunk);
        if (FS_PY_NO_GIL)
            fs_dropin_see_clears(d, Py_TYPE((PyObject *)thunk), clears[d->index]);
    }
    if (fs_dropin_probing(d))
        check(d, cif, theirs, thunk);
    return fs_dropin_status(error);
}

/* ctypes gives up the members of a thunk, and then frees the closure. Without the GIL a call may
 * begin in between. */
static void hook_untrack(void *object)
{
    if (is_thunk(object))
        fs_thunk_finish(object, call);
    PyObject_GC_UnTrack(object);
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
        return hook_prep(&fs_dropins[n], closure, cif, theirs, thunk, code);                       \
    }                                                                                              \
    static ffi_status prep_##n(ffi_closure *closure, ffi_cif *cif, ffi_static_handler theirs,      \
                               void *thunk)                                                        \
    {                                                                                              \
        return hook_prep(&fs_dropins[n], closure, cif, theirs, thunk, &no_code);                   \
    }                                                                                              \
    static void untrack_##n(void *object)                                                          \
    {                                                                                              \
        hook_untrack(object);                                                                      \
    }                                                                                              \
    static int clear_##n(void *thunk)                                                              \
    {                                                                                              \
        fs_thunk_finish(thunk, call);                                                              \
        return fs_dropins[n].clear(thunk);                                                         \
    }
FS_EACH_RECORD(FUNCTIONS, )

#define CLEAR_OF(n, unused) [n] = clear_##n,
static int (*const clears[FS_DROPIN_MODULES])(void *) = {FS_EACH_RECORD(CLEAR_OF, )};

static const struct fs_dropin_hook hooks[] = {
    {"ffi_closure_alloc", FS_HOOKS(alloc)},       {"ffi_closure_free", FS_HOOKS(free)},
    {"ffi_prep_closure_loc", FS_HOOKS(prep_loc)}, {"ffi_prep_closure", FS_HOOKS(prep)},
    {"PyObject_GC_UnTrack", FS_HOOKS(untrack)},   {NULL, {NULL}},
};

/* After uninstall() closures of ours still come to be freed. Without the GIL also to be prepared:
 * uninstall() may come between the two calls by which ctypes makes a closure. */
static bool still_needed(const struct fs_dropin *d, const char *symbol)
{
    if (FS_PY_NO_GIL)
        return true;
    return d->made != d->freed && strcmp(symbol, "ffi_closure_free") == 0;
}

const struct fs_dropin_kind fs_dropin_libffi = {
    .name = "libffi",
    .about = "its imports ffi_closure_alloc, ffi_closure_free and ffi_prep_closure_loc",
    .needs = {{{"ffi_closure_alloc"}},
              {{"ffi_closure_free"}},
              {{"ffi_prep_closure_loc", "ffi_prep_closure"}},
              {{FS_PY_NO_GIL ? "PyObject_GC_UnTrack" : NULL}}},
    .proof = FS_SAW_ALLOC | FS_SAW_PREP | FS_SAW_FREE,
    .hooks = hooks,
    .still_needed = still_needed,
};
