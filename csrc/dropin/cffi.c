/* SPDX-License-Identifier: MIT */
/* cffi.c - cffi with an allocator of its own, as its wheels and Linux distributions have it
 *
 * ffi.callback() takes a block of 56 bytes, an ffi_closure, from a free list inside cffi. It makes
 * the callback object, prepares the closure, and hands the object to the garbage collector. Blocks
 * come from mmap(), writable and executable, and never go back. cffi's imports are our way in:
 *
 *   mmap                 gives memory that is writable only
 *   ffi_prep_closure     a slot of ours gets the plan; the block holds the words that cffi reads
 *                        and, where libffi would write code, which slot belongs to it
 *   PyObject_GC_Track    the new object gets our address in place of the block's
 *   PyObject_GC_UnTrack  the object is about to be freed: its slot goes first, so that C code that
 *                        still calls the address is stopped with a message
 *   PyArg_ParseTuple     tells error=0 from no error= at all, which cffi does not store
 *   PyObject_Call        hands cffi's handler what the function gave (invoke.h)
 *
 * A stock block from before install() is replaced on its way through PyObject_GC_Track, and so
 * retired.
 */
#include "dropin/cffi.h"

#include "dropin/call.h"
#include "dropin/closure.h"
#include "dropin/invoke.h"
#include "tramp/find.h"

#include <string.h>
#include <sys/mman.h>

struct fs_cffi fs_cffis[FS_DROPIN_MODULES];
struct fs_block *fs_cffi_sink;

/* What this thread has prepared and not yet tracked: our block, and whose place it takes. */
static FS_PY_THREAD_LOCAL struct fs_block *pending, *pending_for;

static bool has_the_size(const PyObject *object)
{
    return Py_TYPE(object)->tp_basicsize == sizeof(struct fs_cffi_callback);
}

static FS_NORETURN void die_of_gc(const struct fs_block *b)
{
    fs_die(
        "ffi_static: C called the cffi callback at @ while the garbage collector destroys it; keep "
        "a reference to it",
        (uintptr_t)fs_slot_code(b->slot), 0);
}

/* ---- the handler ----------------------------------------------------------------------- */

/* A callback's first call: does our dispatch run it? The probe's goes to cffi's handler, and its
 * second one to us. */
static FS_COLD bool ask(struct fs_py_cell *cell, void *ticket, struct fs_invoke *in, void **args)
{
    struct fs_py_running now;
    struct fs_dropin *d = fs_dropin_that_holds((void *)in->handler);
    if (!d)
        return false;
    if (fs_dropin_probing(d) && !(d->seen & FS_SAW_CALL)) {
        d->seen |= FS_SAW_CALL;
        fs_invoke_check(d, in, args);
        return false;
    }
    bool ours = fs_invoke_learn(d, in);
    if (fs_py_running_begin(&now, cell, ticket)) {
        fs_turbo_decide(d, cell, ours, in->integer);
        fs_py_running_seen(&now, in->info);
        fs_py_running_end(&now);
    }
    return ours;
}

/* What a call uses of its callback, which may end during the call. */
static inline struct fs_invoke look(const struct fs_py_cell *cell, ffi_cif *cif)
{
    const struct fs_block *b = cell->served.data;
    PyObject *info = fs_py_load((PyObject **)&b->user_data);
    if (fs_unlikely(!info)) /* tp_clear has run, dealloc not yet */
        die_of_gc(b);
    return (struct fs_invoke){
        .handler = cell->served.handler,
        .info = info,
        .cif = cif,
        .integer = __atomic_load_n(&cell->types, __ATOMIC_RELAXED) != 0,
    };
}

/* Nobody but the library can write to a sealed slot (tramp/seal.h). */
static bool is_sealed(const struct fs_block *b)
{
    return fs_slot_is_sealed(fs_slot_ref(b->slot));
}

/* C calls a block's address after the callback has gone. */
static void call_freed(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    const struct fs_block *b = fs_py_cell_of(ticket)->served.data;
    (void)cif;
    (void)ret;
    (void)args;
    fs_die("ffi_static: the cffi callback at @ was called after it was freed",
           (uintptr_t)fs_slot_code(b->slot), 0);
}

static void call(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_py_running running;
    struct fs_call c;
    if (!fs_call_enter(&c, ticket, ret, true))
        return;
    if (fs_likely(fs_py_running_begin(&running, cell, ticket))) {
        const enum fs_turbo turbo = fs_turbo_of(cell);
        struct fs_invoke in = look(cell, cif);
        fs_py_running_seen(&running, in.info);
        if (fs_likely(turbo == FS_TURBO_RUNS ||
                      (turbo == FS_TURBO_ASKS && ask(cell, ticket, &in, args))))
            fs_invoke_run(&in, ret, args);
        else
            fs_invoke_theirs(&in, ret, args);
        fs_py_running_end(&running);
    } else {
        const struct fs_block *b = cell->served.data;
        if (is_sealed(b) && b->use == FS_BLOCK_FREE && !fs_py_may_be_exiting())
            call_freed(cif, ret, args, ticket);
        fs_py_closed_answer(ticket, ret, c.size);
    }
    fs_call_leave(&c);
}

/* ---- what cffi calls -------------------------------------------------------------------- */

typedef void *map(void *, size_t, int, int, int, off_t);

/* Does this thread drain? */
static bool is_draining(const struct fs_dropin *d)
{
    return fs_unlikely(fs_py_load(&fs_cffi_of(d)->stock.draining)) &&
           pthread_equal(fs_py_load(&d->prober), pthread_self());
}

static void *hook_mmap(struct fs_dropin *d, const char *symbol, void *where, size_t size,
                       int rights, int flags, int fd, off_t offset)
{
    struct fs_cffi *c = fs_cffi_of(d);
    map *original = (map *)fs_dropin_original(d, symbol);
    if (!(rights & PROT_EXEC) || !(rights & PROT_WRITE))
        return original(where, size, rights, flags, fd, offset);
    if (is_draining(d)) {
        fs_stock_refuse(&c->stock, &d->object, size);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (fs_py_load(&d->state) == FS_DROPIN_RESTORED) { /* cffi gets stock memory again */
        void *theirs = original(where, size, rights, flags, fd, offset);
        if (theirs == MAP_FAILED || fs_stock_mapped(&c->stock, theirs, size) == 0)
            return theirs;
        munmap(theirs, size);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *area = fs_block_area(size);
    if (area != MAP_FAILED) {
        fs_py_add(&c->stock.accounted, size / sizeof(struct fs_block));
        fs_py_add(&c->given, size / sizeof(struct fs_block));
    }
    return area;
}

/* From now on C's calls get another handler. When Python ends, the callback's own one stays, which
 * gives the answer for calls that come when Python has ended. */
static inline void hand_over(struct fs_block *b, ffi_static_handler to)
{
    if (!is_sealed(b) && (!fs_py_may_be_exiting() || !fs_py_finalizing()))
        __atomic_store_n(&b->slot->handler, to, __ATOMIC_RELEASE);
}

/* The callback in this block ends. */
static void end_callback(struct fs_dropin *d, struct fs_block *b)
{
    if (b->use == FS_BLOCK_FREE)
        return;
    struct fs_py_cell *cell = fs_py_cell_of(b->slot->user_data);
    /* for threads that wait for the GIL, or call when Python has ended */
    fs_py_running_finish(cell, (PyObject *const[FS_PY_KEPT]){b->user_data});
    hand_over(b, call_freed);
    fs_py_add(&d->freed, b->use == FS_BLOCK_LIVE);
    fs_py_add(&fs_cffi_of(d)->out, (size_t)-1);
    b->use = FS_BLOCK_FREE;
}

/* The garbage collector has cleared a callback, and has not freed it yet. */
static void call_cleared(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    (void)cif;
    (void)ret;
    (void)args;
    die_of_gc(fs_py_cell_of(ticket)->served.data);
}

/* Without the GIL: it is about to clear this object. */
static void hook_clear(const struct fs_cffi_callback *o)
{
    struct fs_block *b = o->closure;
    if (!has_the_size((const PyObject *)o) || !fs_block_is_ours(b) || b->use == FS_BLOCK_FREE)
        return;
    fs_py_running_finish(fs_py_cell_of(b->slot->user_data),
                         (PyObject *const[FS_PY_KEPT]){b->user_data});
    hand_over(b, call_cleared);
}

/* A cell for the block's next callback. The slot is made once, the cell again when it is worn. */
static struct fs_py_cell *cell_of(struct fs_block *b)
{
    if (fs_likely(b->slot != NULL && b->slot->user_data)) {
        struct fs_py_cell *own = fs_py_cell_of(b->slot->user_data);
        if (fs_likely(!fs_py_cell_is_worn(own))) {
            if (FS_PY_NO_GIL)
                fs_py_cells_lock();
            fs_py_cell_renew(own);
            if (FS_PY_NO_GIL)
                fs_py_cells_unlock();
            return own;
        }
    }
    struct fs_py_cell *cell = fs_py_cell_new(FS_PY_MODULES, NULL);
    if (!b->slot && cell)
        b->slot = ffi_static_alloc(sizeof *b->slot, 0, NULL);
    if (cell && !b->slot) {
        fs_py_cell_free(cell, NULL);
        return NULL;
    }
    return cell;
}

/* The function of the callback that this thread is about to make with an error result. Only
 * compared, because the conversion of the error result may make another callback in between. */
static FS_PY_THREAD_LOCAL const void *given_error;

static int hook_parse(PyObject *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int parsed = PyArg_VaParse(args, format, list);
    va_end(list);
    if (parsed && format[0] == 'O' && format[1] == '!' && strcmp(format, "O!O|OO:callback") == 0)
        given_error = PyTuple_GET_SIZE(args) > 2 && PyTuple_GET_ITEM(args, 2) != Py_None
                          ? PyTuple_GET_ITEM(args, 1)
                          : NULL;
    return parsed;
}

/* A callback's user_data is (ctype, function, the error result as bytes, onerror). cffi makes the
 * bytes in any case, zeros if no error result was given. */
static const char *error_result(PyObject *info, size_t size)
{
    if (!PyTuple_CheckExact(info) || PyTuple_GET_SIZE(info) != 4)
        return NULL;
    PyObject *bytes = PyTuple_GET_ITEM(info, 2);
    return PyBytes_CheckExact(bytes) && (size_t)PyBytes_GET_SIZE(bytes) >= size
               ? PyBytes_AS_STRING(bytes)
               : NULL;
}

/* Store the user's error result where it can be read without Python. 0 or -ENOMEM. */
static int store_error(struct fs_py_cell *cell, PyObject *info)
{
    size_t size = cell->result_size, i = 0;
    const char *bytes = error_result(info, size);
    if (!bytes)
        return 0;
    while (i < size && !bytes[i])
        i++;
    if (i == size && PyTuple_GET_ITEM(info, 1) != given_error)
        return 0;
    cell->has_error = true;
    return fs_py_cell_set_error(cell, bytes, size);
}

static ffi_status fill(struct fs_block *b, ffi_cif *cif, ffi_static_handler function,
                       void *user_data)
{
    struct fs_py_cell *cell = cell_of(b);
    if (fs_unlikely(!cell))
        return FFI_BAD_TYPEDEF;
    fs_dropin_fill(cell, b->slot, cif, function, user_data, b);
    void *ticket = fs_py_cell_ticket(cell);
    if (fs_likely(!is_sealed(b))) /* before prep: the slot keeps its cell even if that fails */
        b->slot->user_data = ticket;
    int error = store_error(cell, user_data);
    if (fs_likely(error == 0))
        error = ffi_static_prep(b->slot, cif, call, ticket, 0);
    if (fs_unlikely(error < 0)) {
        fs_py_store(&cell->callback, NULL);
        if (!b->slot->user_data || fs_py_cell_of(b->slot->user_data) != cell)
            fs_py_cell_free(cell, NULL);
        return fs_dropin_status(error);
    }
    b->cif = cif;
    b->handler = function;
    b->user_data = user_data;
    return FFI_OK;
}

/* Is this a callback of drain()? A finalizer that runs meanwhile may make others. */
static bool is_drains(const struct fs_dropin *d, const void *user_data)
{
    PyObject *info = (PyObject *)user_data;
    return is_draining(d) && info && PyTuple_CheckExact(info) && PyTuple_GET_SIZE(info) > 1 &&
           PyTuple_GET_ITEM(info, 1) == PyTuple_GET_ITEM(fs_cffi_of(d)->arguments, 1);
}

/* Check what the probe shows when a block is prepared. */
static void check(struct fs_dropin *d, const struct fs_block *b)
{
    d->seen |= FS_SAW_PREP;
    d->probes += b->use == FS_BLOCK_LIVE;
    fs_dropin_check_cif(d, b->cif);
    if (!fs_object_holds(&d->object, (void *)b->handler))
        fs_dropin_wrong(d, "its closures run a function that is not its own");
    if (!b->user_data || !PyTuple_CheckExact((PyObject *)b->user_data))
        fs_dropin_wrong(d, "what its closures are given is not the tuple that is known");
    else if (!error_result(b->user_data, sizeof(ffi_arg)))
        fs_dropin_wrong(d, "its closures are given an error result of another form");
}

/* Prepare a stock block that drain() found: nobody will call it. */
static ffi_status prep_drained(struct fs_cffi *c, struct fs_block *theirs, void *user_data)
{
    if (fs_stock_reserve(&c->stock) < 0)
        return FFI_BAD_TYPEDEF;
    fs_stock_retire(&c->stock, theirs);
    theirs->user_data = user_data;
    return FFI_OK;
}

static ffi_status hook_prep(struct fs_dropin *d, struct fs_block *theirs, ffi_cif *cif,
                            ffi_static_handler function, void *user_data)
{
    struct fs_cffi *c = fs_cffi_of(d);
    bool known = fs_block_is_ours(theirs);
    if (!known && is_drains(d, user_data))
        return prep_drained(c, theirs, user_data);
    struct fs_block *b = known ? theirs : fs_block_new();
    if (!b)
        return FFI_BAD_TYPEDEF;
    ffi_status status = FFI_BAD_TYPEDEF;
    if (known || fs_stock_reserve(&c->stock) == 0)
        status = fill(b, cif, function, user_data);
    if (status != FFI_OK) {
        if (!known)
            fs_block_undo(b);
        return status;
    }
    theirs->user_data = user_data; /* cffi checks this word */
    if (!known) {                  /* our block goes to cffi when the object is freed */
        fs_stock_retire(&c->stock, theirs);
        fs_py_add(&c->given, 1);
    }
    fs_py_add(&c->out, 1);
    b->use = is_draining(d) ? FS_BLOCK_DRAINED : FS_BLOCK_LIVE;
    fs_py_add(&d->made, b->use == FS_BLOCK_LIVE);
    const size_t live = fs_py_load(&d->made) - fs_py_load(&d->freed);
    if (live > fs_py_load(&c->most))
        fs_py_store(&c->most, live);
    if (fs_dropin_may_turbo(d))
        fs_py_store(&fs_py_cell_of(b->slot->user_data)->turbo, FS_TURBO_ASKS);
    pending = b;
    pending_for = theirs;
    if (fs_dropin_probing(d))
        check(d, b);
    return FFI_OK;
}

/* After uninstall() cffi goes on with blocks of ours that it has, and with stock blocks. */
static bool is_stocks(const struct fs_dropin *d, const ffi_closure *closure)
{
    return fs_py_load(&d->state) == FS_DROPIN_RESTORED && !fs_block_is_ours(closure);
}

static ffi_status hook_prep_old(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                ffi_static_handler function, void *user_data)
{
    if (!is_stocks(d, closure))
        return hook_prep(d, (void *)closure, cif, function, user_data);
    fs_py_store(&fs_cffi_of(d)->clean, false);
    fs_ffi_prep *original = (fs_ffi_prep *)fs_dropin_original(d, "ffi_prep_closure");
    return original(closure, cif, function, user_data);
}

static ffi_status hook_prep_loc(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                ffi_static_handler function, void *user_data, void *code)
{
    if (code == closure) {
        if (!is_stocks(d, closure))
            return hook_prep(d, (void *)closure, cif, function, user_data);
        fs_py_store(&fs_cffi_of(d)->clean, false);
    }
    fs_ffi_prep_loc *original = (fs_ffi_prep_loc *)fs_dropin_original(d, "ffi_prep_closure_loc");
    return original(closure, cif, function, user_data, code);
}

/* Is this a stock callback? Other objects of this size have something else at these places. */
static bool is_stock(const struct fs_cffi_callback *o)
{
    return has_the_size((const PyObject *)o) && o->closure && o->c_data == (void *)o->closure &&
           !fs_block_is_ours(o->closure);
}

static int (*const clears[FS_DROPIN_MODULES])(void *);

static void hook_track(struct fs_dropin *d, void *object)
{
    struct fs_cffi_callback *o = object;
    if (fs_unlikely(pending != NULL)) {
        bool same = has_the_size(object) && o->closure == pending_for && o->c_data == pending_for;
        if (same) {
            o->c_data = fs_slot_code(pending->slot);
            o->closure = pending;
            if (FS_PY_NO_GIL)
                fs_dropin_see_clears(d, Py_TYPE((PyObject *)object), clears[d->index]);
        }
        if (fs_dropin_probing(d)) {
            d->seen |= FS_SAW_TRACK;
            if (!same)
                fs_dropin_wrong(d, "its callback objects have another layout");
        }
        pending = NULL;
    } else if (fs_py_load(&d->state) == FS_DROPIN_RESTORED && is_stock(object)) {
        fs_stock_begins(&fs_cffi_of(d)->stock, o->closure);
    }
    PyObject_GC_Track(object);
}

/* If there is a sink, cffi takes that into its free list, and not the block. */
static void sink(struct fs_cffi_callback *o)
{
    if (!fs_cffi_sink)
        return;
    fs_cffi_sink->user_data = o->closure->user_data;
    o->closure = fs_cffi_sink;
}

static void hook_untrack(struct fs_dropin *d, void *object)
{
    struct fs_cffi_callback *o = object;
    if (has_the_size(object) && fs_block_is_ours(o->closure) && o->closure->use) {
        if (fs_dropin_probing(d))
            d->seen |= FS_SAW_FREE;
        end_callback(d, o->closure);
        if (!PyObject_GC_IsTracked(object))
            sink(o);
    } else if (is_stock(object)) {
        if (PyObject_GC_IsTracked(object))
            fs_stock_ends(&fs_cffi_of(d)->stock, o->closure);
        else
            sink(o);
    }
    PyObject_GC_UnTrack(object);
}

#define FUNCTIONS(n, unused)                                                                       \
    static void *mmap_##n(void *where, size_t size, int rights, int flags, int fd, off_t offset)   \
    {                                                                                              \
        return hook_mmap(&fs_dropins[n], "mmap", where, size, rights, flags, fd, offset);          \
    }                                                                                              \
    static void *mmap64_##n(void *where, size_t size, int rights, int flags, int fd, off_t offset) \
    {                                                                                              \
        return hook_mmap(&fs_dropins[n], "mmap64", where, size, rights, flags, fd, offset);        \
    }                                                                                              \
    static ffi_status prep_##n(ffi_closure *closure, ffi_cif *cif, ffi_static_handler function,    \
                               void *user_data)                                                    \
    {                                                                                              \
        return hook_prep_old(&fs_dropins[n], closure, cif, function, user_data);                   \
    }                                                                                              \
    static ffi_status prep_loc_##n(ffi_closure *closure, ffi_cif *cif,                             \
                                   ffi_static_handler function, void *user_data, void *code)       \
    {                                                                                              \
        return hook_prep_loc(&fs_dropins[n], closure, cif, function, user_data, code);             \
    }                                                                                              \
    static void track_##n(void *object)                                                            \
    {                                                                                              \
        hook_track(&fs_dropins[n], object);                                                        \
    }                                                                                              \
    static void untrack_##n(void *object)                                                          \
    {                                                                                              \
        hook_untrack(&fs_dropins[n], object);                                                      \
    }                                                                                              \
    static int clear_##n(void *object)                                                             \
    {                                                                                              \
        hook_clear(object);                                                                        \
        return fs_dropins[n].clear(object);                                                        \
    }
FS_EACH_RECORD(FUNCTIONS, )

#define CLEAR_OF(n, unused) [n] = clear_##n,
static int (*const clears[FS_DROPIN_MODULES])(void *) = {FS_EACH_RECORD(CLEAR_OF, )};

/* A hook that is the same function for all records. */
#define SAME(n, hook) [n] = (void *)(hook),

static const struct fs_dropin_hook hooks[] = {
    {"mmap", FS_HOOKS(mmap)},
    {"mmap64", FS_HOOKS(mmap64)},
    {"ffi_prep_closure", FS_HOOKS(prep)},
    {"ffi_prep_closure_loc", FS_HOOKS(prep_loc)},
    {"PyObject_GC_Track", FS_HOOKS(track)},
    {"PyObject_GC_UnTrack", FS_HOOKS(untrack)},
    {FS_PY_PARSE_TUPLE, {FS_EACH_RECORD(SAME, hook_parse)}},
    {"PyObject_Call", {FS_EACH_RECORD(SAME, fs_invoke_hook)}},
    {NULL, {NULL}},
};

/* cffi has blocks of ours for good, and stock blocks are counted. */
static bool still_needed(const struct fs_dropin *d, const char *symbol)
{
    (void)d;
    (void)symbol;
    return true;
}

/* Has cffi no block that we must know of? */
static bool has_nothing(const struct fs_dropin *d)
{
    const struct fs_cffi *c = fs_cffi_of(d);
    return fs_py_load(&c->given) == fs_py_load(&c->out) && c->stock.area_count == 0;
}

static void forget(const struct fs_dropin *d)
{
    fs_cffi_of(d)->clean = fs_cffi_of(d)->stock.watched = false;
}

const struct fs_dropin_kind fs_dropin_cffi = {
    .name = "cffi",
    .about = "its imports mmap, ffi_prep_closure, PyObject_GC_Track and PyObject_GC_UnTrack",
    .needs = {{{"mmap", "mmap64"}},
              {{"ffi_prep_closure", "ffi_prep_closure_loc"}},
              {{"PyObject_GC_Track"}},
              {{"PyObject_GC_UnTrack"}}},
    .welcome = {FS_PY_PARSE_TUPLE, "PyObject_Call"},
    .proof = FS_SAW_PREP | FS_SAW_TRACK | FS_SAW_FREE,
    .hooks = hooks,
    .still_needed = still_needed,
    .has_nothing = has_nothing,
    .forget = forget,
};
