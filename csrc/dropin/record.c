/* SPDX-License-Identifier: MIT */
/* record.c - records of rebound modules: bind, unbind, and what both kinds of hooks share
 *
 * ffi_static/_dropin.py decides and probes; this writes and remembers. A record is bound first and
 * only probed then, because what must be known of a module shows when it makes a callback. Until
 * the probe has confirmed it, nothing that a probe cannot undo has happened.
 */
#include "dropin/record.h"

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

int fs_dropin_bind(struct fs_dropin *d)
{
    int fresh[FS_DROPIN_ENTRIES] = {0}; /* what was ours before stays so: it is still needed */
    for (unsigned i = 0; i < d->entries; i++) {
        struct fs_dropin_entry *e = &d->entry[i];
        if (e->bound)
            continue;
        int error = fs_object_write(&d->object, e->at, e->ours);
        if (error) {
            while (i-- > 0)
                if (fresh[i])
                    restore(d, &d->entry[i]);
            return error;
        }
        e->bound = fresh[i] = 1;
    }
    return 0;
}

void fs_dropin_unbind(struct fs_dropin *d, int failed)
{
    int all = failed && !d->confirmed && d->made == d->freed && fs_dropin_cffi_is_out(d);
    for (unsigned i = 0; i < d->entries; i++)
        if (all || !d->kind->still_needed(d, d->entry[i].symbol))
            restore(d, &d->entry[i]);
    if (all)
        d->cffi.clean = d->cffi.watched = 0; /* what cffi does from now on goes unseen */
    d->state = FS_DROPIN_RESTORED;
}

/* ---- records --------------------------------------------------------------------------------- */

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

struct fs_dropin *fs_dropin_prepare(const struct fs_object *object, const char *name,
                                    const char *version)
{
    struct fs_dropin *d = record_for(object);
    if (!d)
        PyErr_Format(PyExc_RuntimeError,
                     "too many copies of ctypes and cffi are loaded: %d are served",
                     FS_DROPIN_MODULES);
    if (!d || d->state != FS_DROPIN_NONE)
        return d;
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
        PyErr_SetString(PyExc_RuntimeError, ffi_static_error());
    else
        PyErr_Format(PyExc_RuntimeError,
                     "it imports neither %s (as modules do that share libffi) nor %s (as cffi "
                     "does); libffi is linked into it statically, or it is not known",
                     missing[0], missing[1]);
    return NULL;
}
