/* SPDX-License-Identifier: MIT */
/* dropin.c - records of rebound modules: bind, confirm, unbind
 *
 * ffi_static/_dropin.py decides and probes; this writes and remembers. A record is bound first and
 * only probed then, because what must be known of a module shows when it makes a callback. Until
 * the probe has confirmed it, nothing that a probe cannot undo has happened.
 */
#include "dropin.h"

#include "base/error.h"
#include "tramp/find.h"

#include <string.h>

struct fs_dropin fs_dropins[FS_DROPIN_MODULES];
int fs_dropin_keep;

/* ---- what both kinds of hooks do --------------------------------------------------------- */

/* A table does not fill its span: what follows it may be anybody's. */
int fs_dropin_is_ours(const void *closure)
{
    struct fs_ref ref;
    if (fs_slot_find(closure, &ref) != -EINVAL)
        return 1;
    const struct fs_table *t = fs_slot_ref(closure).table;
    return t && (uintptr_t)closure - (uintptr_t)t->slots < (size_t)t->nslots * FS_SLOT_SIZE;
}

void *fs_dropin_original(const struct fs_dropin *d, const char *symbol)
{
    for (unsigned i = 0; i < d->entries; i++)
        if (strcmp(d->entry[i].symbol, symbol) == 0)
            return d->entry[i].original;
    fs_die("ffi_static: a rebound function was called that is not on record (@)", (uintptr_t)d, 0);
}

void fs_dropin_check_cif(struct fs_dropin *d, const ffi_cif *cif)
{
    static const struct {
        unsigned short type;
        size_t size;
    } want[] = {{FFI_TYPE_SINT16, 2}, {FFI_TYPE_DOUBLE, 8}, {FFI_TYPE_POINTER, sizeof(void *)}};
    if (!cif || cif->abi != FFI_DEFAULT_ABI || cif->nargs != 3 || !cif->rtype || !cif->arg_types ||
        cif->rtype->type != FFI_TYPE_SINT32 || cif->rtype->size != 4) {
        fs_dropin_wrong(d, "its libffi describes signatures in another way");
        return;
    }
    for (unsigned i = 0; i < 3; i++)
        if (cif->arg_types[i]->type != want[i].type || cif->arg_types[i]->size != want[i].size)
            fs_dropin_wrong(d, "its libffi describes types in another way");
}

void fs_dropin_fill(struct fs_py_cell *cell, const ffi_static_closure *closure, const ffi_cif *cif,
                    ffi_static_handler handler, PyObject *object, void *data)
{
    const ffi_type *type = cif->rtype;
    size_t size = type->type == FFI_TYPE_VOID    ? 0
                  : type->size < sizeof(ffi_arg) ? sizeof(ffi_arg)
                                                 : type->size;
    /* who sees it sees the cell's new generation */
    __atomic_store_n(&cell->result_size, (uint32_t)size, __ATOMIC_RELEASE);
    cell->interp = NULL;
    cell->closure = closure;
    cell->callback = object;
    cell->served.handler = handler;
    cell->served.data = data;
}

int fs_dropin_prep(ffi_static_closure *closure, ffi_cif *cif, ffi_static_handler call,
                   ffi_static_handler handler, PyObject *object, unsigned long *made)
{
    struct fs_py_cell *cell = fs_py_cell_new(made);
    if (!cell)
        return -ENOMEM;
    fs_dropin_fill(cell, closure, cif, handler, object, NULL);
    ffi_static_handler was = closure->handler;
    void *before = closure->user_data;
    int error = ffi_static_prep(closure, cif, call, fs_py_cell_ticket(cell), 0);
    if (FS_PY_UNLIKELY(error < 0)) {
        fs_py_cell_free(cell, NULL);
        --*made;
    } else if (FS_PY_UNLIKELY(was == call)) { /* prepared a second time */
        fs_py_cell_free(fs_py_cell_of(before), NULL);
        --*made;
    }
    if (error == -EALREADY)
        fs_die("ffi_static: the closure at @ is prepared after it was freed", (uintptr_t)closure,
               0);
    return error;
}

ffi_status fs_dropin_status(int error)
{
    return error == 0 ? FFI_OK : error == -ENOTSUP ? FFI_BAD_ABI : FFI_BAD_TYPEDEF;
}

int fs_dropin_free(struct fs_dropin *d, ffi_static_closure *closure, ffi_static_handler call)
{
    /* Whose it is, is not known yet; libffi's closures have these words as well. */
    struct fs_py_cell *cell = closure->handler == call ? fs_py_cell_of(closure->user_data) : NULL;
    if (FS_PY_UNLIKELY(fs_py_exiting) && fs_py_finalizing()) {
        if (!fs_dropin_is_ours(closure))
            return 0;
        if (cell) { /* both stay: C may call to the end of the process */
            cell->callback = NULL;
            ++d->freed;
        }
        return 1;
    }
    int error = ffi_static_free(closure);
    if (FS_PY_UNLIKELY(error < 0)) {
        if (!fs_dropin_is_ours(closure))
            return 0;
        fs_die(error == -EALREADY ? "ffi_static: the closure at @ is freed twice"
                                  : "ffi_static: the closure at @ is freed from inside",
               (uintptr_t)closure, 0);
    }
    if (FS_PY_LIKELY(cell != NULL))
        fs_py_cell_free(cell, &d->freed);
    return 1;
}

int fs_dropin_enter_slowly(struct fs_dropin_call *c, PyThreadState **known, int keep)
{
    if (fs_py_exiting && !fs_py_may_run())
        return 0;
    if (*known ? *known == fs_py_dead : keep) {
        if (!fs_py_keep_state())
            return 0;
        *known = PyGILState_GetThisThreadState();
        c->fresh = 1;
    }
    if (*known)
        return 2;
#if PY_VERSION_HEX >= 0x030C0000
    c->state = PyGILState_Ensure();
#else
    c->state = fs_py_enter_for_one_call();
    if (!c->state)
        return 0;
#endif
    c->foreign = 1;
    return 1;
}

/* ---- binding ------------------------------------------------------------------------------- */

static const struct fs_dropin_hook *hook_of(const struct fs_dropin_kind *kind, const char *symbol,
                                            size_t length)
{
    const struct fs_dropin_hook *h = kind->hooks;
    while (h->symbol && (strlen(h->symbol) != length || strncmp(h->symbol, symbol, length) != 0))
        h++;
    return h;
}

/* Fill in the record's entries for one import: how many there are, or -errno. */
static int find_entries(struct fs_dropin *d, const struct fs_dropin_hook *h)
{
    void **at[FS_DROPIN_ENTRIES];
    int room = FS_DROPIN_ENTRIES - (int)d->entries;
    int found = fs_object_imports(&d->object, h->symbol, at, room);
    if (found > room)
        return fs_fail(-E2BIG, "%s imports %s in too many places", d->object.path, h->symbol);
    for (int i = 0; i < found; i++) {
        struct fs_dropin_entry *e = &d->entry[d->entries++];
        void *before = __atomic_load_n(at[i], __ATOMIC_ACQUIRE);
        *e = (struct fs_dropin_entry){
            .symbol = h->symbol,
            .at = at[i],
            .before = before,
            .original = fs_object_resolve(&d->object, h->symbol, before),
            .ours = h->function[d->index],
        };
    }
    return found;
}

/* Does the object import all that this kind needs? 1, 0, or -errno; *missing is what it lacks. */
static int fits(struct fs_dropin *d, const struct fs_dropin_kind *kind, const char **missing)
{
    d->kind = kind;
    d->entries = 0;
    for (unsigned i = 0; kind->symbols[i]; i++) {
        int found = 0;
        for (const char *s = kind->symbols[i]; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
            int n = find_entries(d, hook_of(kind, s, strcspn(s, "|")));
            if (n < 0)
                return n;
            found += n;
        }
        if (!found) {
            *missing = kind->symbols[i];
            return 0;
        }
    }
    if (kind->welcome) {
        int n = find_entries(d, hook_of(kind, kind->welcome, strlen(kind->welcome)));
        if (n < 0)
            return n;
    }
    return 1;
}

/* Give an entry back, unless somebody else has rebound it meanwhile. */
static void restore(struct fs_dropin *d, struct fs_dropin_entry *e)
{
    if (e->bound && __atomic_load_n(e->at, __ATOMIC_ACQUIRE) == e->ours &&
        fs_object_write(&d->object, e->at, e->before) == 0)
        e->bound = 0;
}

static int bind(struct fs_dropin *d)
{
    for (unsigned i = 0; i < d->entries; i++) {
        struct fs_dropin_entry *e = &d->entry[i];
        if (e->bound)
            continue;
        int error = fs_object_write(&d->object, e->at, e->ours);
        if (error) {
            while (i-- > 0)
                restore(d, &d->entry[i]);
            return error;
        }
        e->bound = 1;
    }
    return 0;
}

/* ---- the module's functions ------------------------------------------------------------------ */

static PyObject *fail(const char *text)
{
    PyErr_SetString(PyExc_RuntimeError, text);
    return NULL;
}

static struct fs_dropin *record(PyObject *number)
{
    unsigned long i = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred())
        return NULL;
    if (i >= FS_DROPIN_MODULES || fs_dropins[i].state == FS_DROPIN_NONE) {
        PyErr_SetString(PyExc_ValueError, "no such record");
        return NULL;
    }
    return &fs_dropins[i];
}

static struct fs_dropin *record_for(const struct fs_object *object)
{
    struct fs_dropin *unused = NULL;
    for (unsigned i = FS_DROPIN_MODULES; i-- > 0;) {
        struct fs_dropin *d = &fs_dropins[i];
        if (d->state == FS_DROPIN_NONE)
            unused = d;
        else if (d->object.base == object->base && d->object.dynamic == object->dynamic)
            return d;
    }
    if (unused)
        unused->index = (unsigned)(unused - fs_dropins);
    return unused;
}

/* A record for this object, with its entries found; NULL with an exception. */
static struct fs_dropin *prepare(const struct fs_object *object, const char *name,
                                 const char *version)
{
    struct fs_dropin *d = record_for(object);
    if (!d || d->state != FS_DROPIN_NONE) {
        if (!d)
            fail("too many copies of ctypes and cffi are loaded");
        return d;
    }
    d->object = *object;
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->version, sizeof d->version, "%s", version);
    const char *missing[2];
    int found = fits(d, &fs_dropin_libffi, &missing[0]);
    if (found == 0)
        found = fits(d, &fs_dropin_cffi, &missing[1]);
    if (found == 1)
        return d;
    if (found < 0)
        fail(ffi_static_error());
    else
        PyErr_Format(PyExc_RuntimeError,
                     "it imports neither %s (as modules do that share libffi) nor %s (as cffi "
                     "does); libffi is linked into it statically, or it is not known",
                     missing[0], missing[1]);
    return NULL;
}

static PyObject *dropin_bind(PyObject *self, PyObject *args)
{
    const char *name, *version;
    PyObject *function;
    static struct fs_object object; /* under the GIL */
    (void)self;
    if (!PyArg_ParseTuple(args, "ssO!:dropin_bind", &name, &version, &PyCFunction_Type, &function))
        return NULL;
    if (fs_object_find((const void *)PyCFunction_GetFunction(function), &object) < 0)
        return fail("its code is in no object that the loader knows");
    struct fs_dropin *d = prepare(&object, name, version);
    if (!d)
        return NULL;
    int done = d->state == FS_DROPIN_SERVED;
    if (!done) {
        if (bind(d) < 0)
            return fail(ffi_static_error());
        d->seen = 0;
        d->probes = 0;
        d->wrong = NULL;
        d->prober = pthread_self();
        d->state = FS_DROPIN_PROBING;
    }
    return Py_BuildValue("IsO", d->index, d->kind->name, done ? Py_True : Py_False);
}

/* Is everything as expected that the probe has shown so far? */
static PyObject *dropin_check(PyObject *self, PyObject *number)
{
    struct fs_dropin *d = record(number);
    (void)self;
    if (!d)
        return NULL;
    if (d->wrong)
        return fail(d->wrong);
    Py_RETURN_NONE;
}

static PyObject *dropin_confirm(PyObject *self, PyObject *number)
{
    struct fs_dropin *d = record(number);
    (void)self;
    if (!d)
        return NULL;
    if (d->wrong)
        return fail(d->wrong);
    if ((d->seen & d->kind->proof) != d->kind->proof)
        return fail("it made a callback without using what was rebound");
    d->made -= d->probes; /* which have all been freed */
    d->freed -= d->probes;
    d->confirmed = 1;
    d->state = FS_DROPIN_SERVED;
    Py_RETURN_NONE;
}

/* Give back what nothing of ours will use; with `all`, when nothing of ours lives, the rest too. */
static PyObject *dropin_unbind(PyObject *self, PyObject *args)
{
    PyObject *number;
    int all;
    (void)self;
    if (!PyArg_ParseTuple(args, "Op:dropin_unbind", &number, &all))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d)
        return NULL;
    for (unsigned i = 0; i < d->entries; i++)
        if ((all && d->made == d->freed) || !d->kind->still_needed(d, d->entry[i].symbol))
            restore(d, &d->entry[i]);
    if (all)
        d->clean = 0;
    d->state = FS_DROPIN_RESTORED;
    Py_RETURN_NONE;
}

static PyObject *dropin_drain(PyObject *self, PyObject *args)
{
    PyObject *number, *function, *arguments;
    int writable_code;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!p:dropin_drain", &number, &function, &PyTuple_Type, &arguments,
                          &writable_code))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d || d->clean)
        return d ? PyList_New(0) : NULL;
    PyObject *held = fs_dropin_drain(d, function, arguments, 1);
    if (held && fs_dropin_retire(d, writable_code) < 0)
        Py_CLEAR(held);
    return held;
}

static PyObject *dropin_collect(PyObject *self, PyObject *args)
{
    PyObject *number, *function, *arguments;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!:dropin_collect", &number, &function, &PyTuple_Type,
                          &arguments))
        return NULL;
    struct fs_dropin *d = record(number);
    return d ? fs_dropin_drain(d, function, arguments, 0) : NULL;
}

/* Keep these objects, and let those go that were kept before. */
static PyObject *dropin_hold(PyObject *self, PyObject *args)
{
    PyObject *number, *objects;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO:dropin_hold", &number, &objects))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d)
        return NULL;
    PyObject *before = d->held;
    Py_INCREF(objects);
    d->held = objects;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *dropin_keep(PyObject *self, PyObject *flag)
{
    int keep = PyObject_IsTrue(flag);
    (void)self;
    if (keep < 0)
        return NULL;
    fs_dropin_keep = keep;
    Py_RETURN_NONE;
}

/* Call the probe's callback as C code does. */
static PyObject *dropin_call(PyObject *self, PyObject *args)
{
    unsigned long long address, pointer;
    short a;
    double b;
    int result;
    (void)self;
    if (!PyArg_ParseTuple(args, "KhdK:dropin_call", &address, &a, &b, &pointer))
        return NULL;
    int (*function)(short, double, void *) = (int (*)(short, double, void *))(uintptr_t)address;
    Py_BEGIN_ALLOW_THREADS;
    result = function(a, b, (void *)(uintptr_t)pointer);
    Py_END_ALLOW_THREADS;
    return PyLong_FromLong(result);
}

static PyObject *dropin_records(PyObject *self, PyObject *unused)
{
    static const char *const states[] = {"", "probing", "served", "restored"};
    PyObject *list = PyList_New(0);
    (void)self;
    (void)unused;
    for (unsigned i = 0; list && i < FS_DROPIN_MODULES; i++) {
        struct fs_dropin *d = &fs_dropins[i];
        if (d->state == FS_DROPIN_NONE || (d->state == FS_DROPIN_RESTORED && !d->confirmed))
            continue;
        PyObject *each = Py_BuildValue(
            "{sI ss ss ss sN ss ss sk sk sk}", "index", d->index, "module", d->name, "version",
            d->version, "state", states[d->state], "file",
            PyUnicode_DecodeFSDefault(d->object.path), "kind", d->kind->name, "about",
            d->kind->about, "made", d->made, "freed", d->freed, "leftover", d->leftover);
        if (!each || PyList_Append(list, each) < 0)
            Py_CLEAR(list);
        Py_XDECREF(each);
    }
    return list;
}

PyMethodDef fs_dropin_functions[] = {
    {"dropin_bind", dropin_bind, METH_VARARGS,
     "dropin_bind(name, version, builtin): rebind the object that holds the builtin function: "
     "(record, "
     "kind, whether it is served already). RuntimeError when it is not known."},
    {"dropin_check", dropin_check, METH_O,
     "dropin_check(record): RuntimeError when the probe has found something wrong."},
    {"dropin_confirm", dropin_confirm, METH_O, "dropin_confirm(record): the probe has succeeded."},
    {"dropin_unbind", dropin_unbind, METH_VARARGS, "dropin_unbind(record, all)"},
    {"dropin_drain", dropin_drain, METH_VARARGS,
     "dropin_drain(record, function, args, writable_code): cffi's free callbacks, in a list, when "
     "there may be some in memory of its own."},
    {"dropin_collect", dropin_collect, METH_VARARGS,
     "dropin_collect(record, function, args): those of our memory, in a list."},
    {"dropin_hold", dropin_hold, METH_VARARGS, "dropin_hold(record, objects): keep them."},
    {"dropin_keep", dropin_keep, METH_O, "dropin_keep(flag): keep foreign threads' states."},
    {"dropin_call", dropin_call, METH_VARARGS,
     "dropin_call(address, a, b, c): call int(short, double, void *) without the GIL."},
    {"dropin_records", dropin_records, METH_NOARGS,
     "The records of what is or was served, as dicts."},
    {NULL, NULL, 0, NULL},
};
