/* SPDX-License-Identifier: MIT */
/* cffi.c - cffi with an allocator of its own, as its wheels and Linux distributions have it
 *
 * ffi.callback() takes a block of 56 bytes, an ffi_closure, from a free list inside cffi, makes the
 * callback object, prepares the closure, and hands the object to the garbage collector. Blocks come
 * from mmap(), writable and executable, and never go back. Its imports are our way in:
 *
 *   mmap                 gives memory that is writable only
 *   ffi_prep_closure     a slot of ours gets the plan; the block holds the words that cffi reads,
 *                        and, where libffi would write code, which slot belongs to it
 *   PyObject_GC_Track    the new object gets our address in place of the block's
 *   PyObject_GC_UnTrack  the object is on its way to be freed: its slot goes first, so that C code
 *                        that still calls the address is stopped with a message
 *   PyArg_ParseTuple     tells error=0 from no error= at all, which cffi does not keep
 *
 * A block that cffi had from before install() is replaced on its way through PyObject_GC_Track, and
 * never used again.
 */
#include "dropin/cffi.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory that blocks lie in. Never given back, as cffi gives nothing back; it asks for 1.3 times
 * as much each time, and blocks in place of older ones come as many at a time. */
enum { AREAS = 4096, SPARE_BYTES = 1 << 18 };
static struct area {
    uintptr_t start;
    size_t size;
} areas[AREAS];
static unsigned area_count;
static struct block *spares; /* linked by their first word */

/* What this thread has prepared and not yet tracked: our block, and whose place it takes. */
static FS_PY_THREAD_LOCAL struct block *pending, *pending_for;

struct block *fs_cffi_sink;

int fs_cffi_is_ours(const void *block)
{
    for (unsigned i = area_count; i-- > 0;)
        if ((uintptr_t)block - areas[i].start < areas[i].size)
            return 1;
    return 0;
}

static void *new_area(size_t size)
{
    if (area_count == AREAS) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        areas[area_count++] = (struct area){(uintptr_t)p, size};
    return p;
}

static void put_spare(struct block *b)
{
    b->link = spares;
    spares = b;
}

struct block *fs_cffi_take_spare(void)
{
    if (!spares) {
        struct block *b = new_area(SPARE_BYTES);
        if ((void *)b == MAP_FAILED)
            return NULL;
        for (size_t i = SPARE_BYTES / sizeof *b; i-- > 0;)
            put_spare(&b[i]);
    }
    struct block *b = spares;
    spares = b->link;
    return b;
}

/* ---- the handler ----------------------------------------------------------------------- */

static void call(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_dropin_call c;
    if (!fs_dropin_enter(&c, ticket, ret, 1))
        return;
    if (FS_PY_LIKELY(fs_py_cell_valid(cell, ticket))) {
        const struct block *b = cell->served.data;
        if (FS_PY_UNLIKELY(!b->user_data)) /* tp_clear has run, dealloc not yet */
            fs_die("ffi_static: C called the cffi callback at @ while the garbage collector "
                   "destroys it; keep a reference to it",
                   (uintptr_t)b->code, 0);
        fs_dropin_run(cell->served.handler, cif, ret, args, b->user_data);
    } else {
        fs_py_closed_answer(ticket, ret, c.size);
    }
    fs_dropin_leave(&c);
}

/* ---- what cffi calls -------------------------------------------------------------------- */

typedef void *map(void *, size_t, int, int, int, off_t);
typedef void handler(ffi_cif *, void *, void **, void *);
typedef ffi_status prep(ffi_closure *, ffi_cif *, handler *, void *);
typedef ffi_status prep_loc(ffi_closure *, ffi_cif *, handler *, void *, void *);

static int is_draining(const struct fs_dropin *d)
{
    return FS_PY_UNLIKELY(d->cffi.draining) && pthread_equal(d->prober, pthread_self());
}

static void *hook_mmap(struct fs_dropin *d, const char *symbol, void *where, size_t size,
                       int rights, int flags, int fd, off_t offset)
{
    map *original = (map *)fs_dropin_original(d, symbol);
    if (!(rights & PROT_EXEC) || !(rights & PROT_WRITE))
        return original(where, size, rights, flags, fd, offset);
    if (is_draining(d)) {
        fs_stock_refuse(d, size);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (d->state == FS_DROPIN_RESTORED) { /* what cffi asks for is its own affair again */
        void *theirs = original(where, size, rights, flags, fd, offset);
        if (theirs == MAP_FAILED || fs_stock_mapped(d, theirs, size) == 0)
            return theirs;
        munmap(theirs, size);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *area = new_area(size);
    if (area != MAP_FAILED) {
        d->cffi.accounted += size / sizeof(struct block);
        d->cffi.given += size / sizeof(struct block);
    }
    return area;
}

/* C calls a block's address after the callback has gone. */
static void call_freed(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    const struct block *b = fs_py_cell_of(ticket)->served.data;
    (void)cif;
    (void)ret;
    (void)args;
    fs_die("ffi_static: the cffi callback at @ was called after it was freed", (uintptr_t)b->code,
           0);
}

static void let_go(struct fs_dropin *d, struct block *b)
{
    if (b->use == FREE)
        return;
    struct fs_py_cell *cell = fs_py_cell_of(b->slot->user_data);
    cell->callback = NULL; /* for who waits for the GIL inside it, or calls when Python has gone */
    if (!fs_py_exiting || !fs_py_finalizing())
        __atomic_store_n(&b->slot->handler, call_freed, __ATOMIC_RELEASE);
    d->freed += b->use == LIVE;
    d->cffi.out--;
    b->use = FREE;
}

/* The block's cell, and with it the slot, are made once. */
static struct fs_py_cell *cell_of(struct block *b)
{
    if (FS_PY_LIKELY(b->slot != NULL))
        return fs_py_cell_of(b->slot->user_data);
    struct fs_py_cell *cell = fs_py_cell_new(NULL);
    b->slot = cell ? ffi_static_alloc(sizeof *b->slot, 0, &b->code) : NULL;
    if (cell && !b->slot) {
        fs_py_cell_free(cell, NULL);
        return NULL;
    }
    return cell;
}

/* The function of the callback that this thread is about to make with an error result. Only
 * compared: another callback may be made in between, by the conversion of the error result. */
static FS_PY_THREAD_LOCAL const void *given_error;

#if PY_VERSION_HEX >= 0x030D0000
#define PARSE_TUPLE "PyArg_ParseTuple"
#else /* what PY_SSIZE_T_CLEAN makes of it, and of PyArg_VaParse() */
#define PARSE_TUPLE "_PyArg_ParseTuple_SizeT"
#endif

static int hook_parse(PyObject *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int parsed = PyArg_VaParse(args, format, list);
    va_end(list);
    if (parsed && strcmp(format, "O!O|OO:callback") == 0)
        given_error = PyTuple_GET_SIZE(args) > 2 && PyTuple_GET_ITEM(args, 2) != Py_None
                          ? PyTuple_GET_ITEM(args, 1)
                          : NULL;
    return parsed;
}

/* What a callback is given is (ctype, function, the error result as bytes, onerror). cffi makes
 * the bytes in any case, zeros if no error result was given. */
static const char *error_result(PyObject *info, size_t size)
{
    if (!PyTuple_CheckExact(info) || PyTuple_GET_SIZE(info) != 4)
        return NULL;
    PyObject *bytes = PyTuple_GET_ITEM(info, 2);
    return PyBytes_CheckExact(bytes) && (size_t)PyBytes_GET_SIZE(bytes) >= size
               ? PyBytes_AS_STRING(bytes)
               : NULL;
}

/* Keep the user's error result where it can be read without Python. 0 or -ENOMEM. */
static int keep_error(struct fs_py_cell *cell, PyObject *info)
{
    size_t size = cell->result_size, i = 0;
    const char *bytes = error_result(info, size);
    if (!bytes)
        return 0;
    while (i < size && !bytes[i])
        i++;
    if (i == size && PyTuple_GET_ITEM(info, 1) != given_error)
        return 0;
    cell->has_error = 1;
    return fs_py_cell_set_error(cell, bytes, size);
}

static ffi_status fill(struct block *b, ffi_cif *cif, handler *function, void *user_data)
{
    struct fs_py_cell *cell = cell_of(b);
    if (FS_PY_UNLIKELY(!cell))
        return FFI_BAD_TYPEDEF;
    fs_py_cell_renew(cell);
    fs_dropin_fill(cell, b->slot, cif, function, user_data, b);
    /* Before prep: the slot keeps its cell even if it cannot be prepared. */
    b->slot->user_data = fs_py_cell_ticket(cell);
    int error = keep_error(cell, user_data);
    if (FS_PY_LIKELY(error == 0))
        error = ffi_static_prep(b->slot, cif, call, b->slot->user_data, 0);
    if (FS_PY_UNLIKELY(error < 0)) {
        cell->callback = NULL;
        return fs_dropin_status(error);
    }
    b->cif = cif;
    b->handler = function;
    b->user_data = user_data;
    return FFI_OK;
}

/* Is this what drain() makes, and not what a finalizer makes that runs meanwhile? */
static int is_drains(const struct fs_dropin *d, const void *user_data)
{
    PyObject *info = (PyObject *)user_data;
    return is_draining(d) && info && PyTuple_CheckExact(info) && PyTuple_GET_SIZE(info) > 1 &&
           PyTuple_GET_ITEM(info, 1) == PyTuple_GET_ITEM(d->cffi.arguments, 1);
}

static ffi_status hook_prep(struct fs_dropin *d, struct block *theirs, ffi_cif *cif,
                            handler *function, void *user_data)
{
    int known = fs_cffi_is_ours(theirs);
    if (!known && is_drains(d, user_data)) { /* nobody will call it */
        if (fs_stock_reserve(d) < 0)
            return FFI_BAD_TYPEDEF;
        fs_stock_gone(d, theirs);
        theirs->user_data = user_data;
        return FFI_OK;
    }
    struct block *b = known ? theirs : fs_cffi_take_spare();
    if (!b)
        return FFI_BAD_TYPEDEF;
    ffi_status status = FFI_BAD_TYPEDEF;
    if (known || fs_stock_reserve(d) == 0)
        status = fill(b, cif, function, user_data);
    if (status != FFI_OK) {
        if (!known)
            put_spare(b);
        return status;
    }
    theirs->user_data = user_data; /* cffi looks whether it is there */
    if (!known) {                  /* cffi gets ours when the object is freed */
        fs_stock_gone(d, theirs);
        d->cffi.given++;
    }
    d->cffi.out++;
    b->use = is_draining(d) ? DRAINED : LIVE;
    d->made += b->use == LIVE;
    pending = b;
    pending_for = theirs;
    if (fs_dropin_probing(d)) {
        d->seen |= FS_SAW_PREP;
        d->probes += b->use == LIVE;
        fs_dropin_check_cif(d, cif);
        if (!fs_object_holds(&d->object, (void *)function))
            fs_dropin_wrong(d, "its closures run a function that is not its own");
        if (!user_data || !PyTuple_CheckExact((PyObject *)user_data))
            fs_dropin_wrong(d, "what its closures are given is not the tuple that is known");
        else if (!error_result(user_data, sizeof(ffi_arg)))
            fs_dropin_wrong(d, "its closures are given an error result of another form");
    }
    return FFI_OK;
}

/* After uninstall() cffi goes on with blocks of ours that it has, and with its own. */
static int serves(struct fs_dropin *d, const ffi_closure *closure)
{
    if (d->state != FS_DROPIN_RESTORED || fs_cffi_is_ours(closure))
        return 1;
    d->cffi.clean = 0;
    return 0;
}

static ffi_status hook_prep_old(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                handler *function, void *user_data)
{
    if (serves(d, closure))
        return hook_prep(d, (void *)closure, cif, function, user_data);
    prep *original = (prep *)fs_dropin_original(d, "ffi_prep_closure");
    return original(closure, cif, function, user_data);
}

static ffi_status hook_prep_loc(struct fs_dropin *d, ffi_closure *closure, ffi_cif *cif,
                                handler *function, void *user_data, void *code)
{
    if (code == closure && serves(d, closure))
        return hook_prep(d, (void *)closure, cif, function, user_data);
    prep_loc *original = (prep_loc *)fs_dropin_original(d, "ffi_prep_closure_loc");
    return original(closure, cif, function, user_data, code);
}

static int has_the_size(const PyObject *object)
{
    return Py_TYPE(object)->tp_basicsize == sizeof(struct callback);
}

/* A callback in a block of cffi's own? Other objects of this size have something else there. */
static int is_stock(const struct callback *o)
{
    return has_the_size((const PyObject *)o) && o->closure && o->c_data == (void *)o->closure &&
           !fs_cffi_is_ours(o->closure);
}

static void hook_track(struct fs_dropin *d, void *object)
{
    struct callback *o = object;
    if (FS_PY_UNLIKELY(pending != NULL)) {
        int same = has_the_size(object) && o->closure == pending_for && o->c_data == pending_for;
        if (same) {
            o->c_data = pending->code;
            o->closure = pending;
        }
        if (fs_dropin_probing(d)) {
            d->seen |= FS_SAW_TRACK;
            if (!same)
                fs_dropin_wrong(d, "its callback objects have another layout");
        }
        pending = NULL;
    } else if (d->state == FS_DROPIN_RESTORED && is_stock(object)) {
        fs_stock_live(d, o->closure, 1);
    }
    PyObject_GC_Track(object);
}

static void hook_untrack(struct fs_dropin *d, void *object)
{
    struct callback *o = object;
    if (has_the_size(object) && fs_cffi_is_ours(o->closure) && o->closure->use) {
        if (fs_dropin_probing(d))
            d->seen |= FS_SAW_FREE;
        let_go(d, o->closure);
    } else if (is_stock(object)) {
        if (PyObject_GC_IsTracked(object)) {
            fs_stock_live(d, o->closure, -1);
        } else if (fs_cffi_sink) { /* cffi takes the sink into its free list, and not the block */
            fs_cffi_sink->user_data = o->closure->user_data;
            o->closure = fs_cffi_sink;
        }
    }
    PyObject_GC_UnTrack(object);
}

#define FS_RECORD(n)                                                                               \
    static void *mmap_##n(void *where, size_t size, int rights, int flags, int fd, off_t offset)   \
    {                                                                                              \
        return hook_mmap(&fs_dropins[n], "mmap", where, size, rights, flags, fd, offset);          \
    }                                                                                              \
    static void *mmap64_##n(void *where, size_t size, int rights, int flags, int fd, off_t offset) \
    {                                                                                              \
        return hook_mmap(&fs_dropins[n], "mmap64", where, size, rights, flags, fd, offset);        \
    }                                                                                              \
    static ffi_status prep_##n(ffi_closure *closure, ffi_cif *cif, handler *function,              \
                               void *user_data)                                                    \
    {                                                                                              \
        return hook_prep_old(&fs_dropins[n], closure, cif, function, user_data);                   \
    }                                                                                              \
    static ffi_status prep_loc_##n(ffi_closure *closure, ffi_cif *cif, handler *function,          \
                                   void *user_data, void *code)                                    \
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
    {"mmap", FS_EACH(mmap)},
    {"mmap64", FS_EACH(mmap64)},
    {"ffi_prep_closure", FS_EACH(prep)},
    {"ffi_prep_closure_loc", FS_EACH(prep_loc)},
    {"PyObject_GC_Track", FS_EACH(track)},
    {"PyObject_GC_UnTrack", FS_EACH(untrack)},
    {PARSE_TUPLE,
     {(void *)hook_parse, (void *)hook_parse, (void *)hook_parse, (void *)hook_parse,
      (void *)hook_parse, (void *)hook_parse, (void *)hook_parse, (void *)hook_parse}},
    {NULL, {NULL}},
};

/* Blocks of ours are in cffi's hands for good, and of its own we want to know. */
static int still_needed(const struct fs_dropin *d, const char *symbol)
{
    (void)d;
    (void)symbol;
    return 1;
}

const struct fs_dropin_kind fs_dropin_cffi = {
    .name = "cffi",
    .about = "its imports mmap, ffi_prep_closure, PyObject_GC_Track and PyObject_GC_UnTrack",
    .symbols = {"mmap|mmap64", "ffi_prep_closure|ffi_prep_closure_loc", "PyObject_GC_Track",
                "PyObject_GC_UnTrack"},
    .welcome = PARSE_TUPLE,
    .proof = FS_SAW_PREP | FS_SAW_TRACK | FS_SAW_FREE,
    .hooks = hooks,
    .still_needed = still_needed,
};
