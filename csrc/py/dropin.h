/* SPDX-License-Identifier: MIT */
/* dropin.h - ctypes and cffi, unmodified, on our closures: by rebinding what their modules import
 *
 * An extension module calls other libraries through its global offset table (GOT), which is data.
 * install() writes our functions into the entries that make, prepare and free closures. What is
 * executable is not touched, and a table that the loader has made read-only (RELRO) is writable
 * only while it is written to. Marshalling, repr and lifetime stay the module's own.
 *
 * Two kinds of modules: ctypes, which calls libffi's closure functions (dropin_libffi.c), and cffi
 * as it is on Linux, with an allocator of its own (dropin_cffi.c). Records are per shared object
 * and never given back, for as long as a closure lives its module may call us. All is under the GIL
 * but for what a call of a closure reads.
 */
#ifndef FS_DROPIN_H
#define FS_DROPIN_H

#include "py.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

/* ---- dropin_elf.c: a loaded object's imports ------------------------------------------- */

/* One loaded shared object or program. Addresses stay valid as long as it is loaded. */
struct fs_object {
    uintptr_t base;    /* what the loader added to the file's addresses */
    const void *table; /* its program headers, for fs_object_write() */
    unsigned headers;
    const void *dynamic;
    char path[PATH_MAX];
};

/* Find the object that `address` lies in. 0 or -ENOENT. */
int fs_object_find(const void *address, struct fs_object *out);

/* Is `address` in what this object maps? */
int fs_object_holds(const struct fs_object *object, const void *address);

/* The GOT entries through which the object calls `symbol`: up to `max` of them into out[], how
 * many there are. -ENOTSUP with a sentence: a format that is not known. */
int fs_object_imports(const struct fs_object *object, const char *symbol, void ***out, int max);

/* What `symbol` means to this object, whose GOT entry holds `value`, maybe not bound yet. */
void *fs_object_resolve(const struct fs_object *object, const char *symbol, void *value);

/* Store `value` in a GOT entry. 0, or -errno with a sentence (then nothing was written). */
int fs_object_write(const struct fs_object *object, void **entry, void *value);

/* ---- records --------------------------------------------------------------------------- */

enum { FS_DROPIN_MODULES = 8, FS_DROPIN_ENTRIES = 12 };

enum fs_dropin_state {
    FS_DROPIN_NONE,
    FS_DROPIN_PROBING, /* bound, but not yet shown to work */
    FS_DROPIN_SERVED,
    FS_DROPIN_RESTORED, /* new closures are stock; ours are still freed by us */
};

struct fs_dropin_kind;

/* One import of a module that we have rebound. */
struct fs_dropin_entry {
    const char *symbol;
    void **at;
    void *before;   /* what was there */
    void *original; /* the function that it means: what was there, bound */
    void *ours;
    int bound; /* is it ours now? */
};

/* One shared object. */
struct fs_dropin {
    enum fs_dropin_state state;
    unsigned index;
    const struct fs_dropin_kind *kind;
    struct fs_object object;
    char name[32], version[32]; /* of the Python module */
    int confirmed;              /* has it ever been served? */
    unsigned entries;
    struct fs_dropin_entry entry[FS_DROPIN_ENTRIES];
    unsigned long made, freed;
    unsigned long leftover; /* closures of the module's own that may be live */

    /* While probing, in that thread: what was seen, and the first thing that should not be. */
    pthread_t prober;
    unsigned seen;
    unsigned long probes; /* closures made by it */
    const char *wrong;

    /* dropin_cffi.c */
    int draining;     /* `prober` is refused new blocks ... */
    size_t refused;   /* ... of this many bytes */
    size_t accounted; /* blocks that are known not to be cffi's own and live */
    size_t given;     /* blocks of ours that cffi has ... */
    size_t out;       /* ... and those of them that are not in its free list */
    int clean;        /* the free list holds no block of cffi's own */
    PyObject *held;   /* blocks of ours, kept from cffi after uninstall() */
};

extern FS_PY_LOCAL struct fs_dropin fs_dropins[FS_DROPIN_MODULES];

/* What is written in place of one import; each record has functions of its own. */
struct fs_dropin_hook {
    const char *symbol; /* NULL: the end */
    void *function[FS_DROPIN_MODULES];
};

/* How to serve one kind of module. */
struct fs_dropin_kind {
    const char *name;
    const char *about;
    const char *symbols[5]; /* each must be imported; a|b: either or both */
    const char *welcome;    /* rebound if it is imported; or NULL */
    unsigned proof;         /* FS_SAW_* that a probe must have shown */
    const struct fs_dropin_hook *hooks;
    /* Must this import stay ours after uninstall()? */
    int (*still_needed)(const struct fs_dropin *d, const char *symbol);
};

extern const struct fs_dropin_kind fs_dropin_libffi, fs_dropin_cffi;

#define FS_SAW_ALLOC 1u
#define FS_SAW_PREP 2u
#define FS_SAW_TRACK 4u
#define FS_SAW_FREE 8u

static inline int fs_dropin_probing(const struct fs_dropin *d)
{
    return FS_PY_UNLIKELY(d->state == FS_DROPIN_PROBING) &&
           pthread_equal(d->prober, pthread_self());
}

static inline void fs_dropin_wrong(struct fs_dropin *d, const char *what)
{
    if (!d->wrong)
        d->wrong = what;
}

/* The probe's signature is int(short, double, void *): is that what this cif says? */
void fs_dropin_check_cif(struct fs_dropin *d, const ffi_cif *cif);

/* Prepare a closure of ours: `call` gets a ticket to a cell that holds the rest. 0 or -errno;
 * -EINVAL also when the closure is not ours, then nothing has changed. */
int fs_dropin_prep(ffi_static_closure *closure, ffi_cif *cif, ffi_static_handler call,
                   ffi_static_handler handler, PyObject *object, unsigned long *made);

/* Fill in a fresh cell for a closure with this signature. */
void fs_dropin_fill(struct fs_py_cell *cell, const ffi_static_closure *closure, const ffi_cif *cif,
                    ffi_static_handler handler, PyObject *object, void *data);

/* Such an error, as libffi says it. */
ffi_status fs_dropin_status(int error);

/* Free a closure that was prepared with `call`, or not at all; when Python is going away, leave it
 * and its cell to say so (ending.c). 0, and nothing has changed, when it is not ours. */
int fs_dropin_free(struct fs_dropin *d, ffi_static_closure *closure, ffi_static_handler call);

/* Does this address lie in a slot, live or not? */
int fs_dropin_is_ours(const void *closure);

/* What `symbol` was before it was rebound. */
void *fs_dropin_original(const struct fs_dropin *d, const char *symbol);

/* dropin_cffi.c: make callbacks, of function(*args), until cffi has no free block left, or none of
 * ours: a list of them. After the former, say what became of cffi's own blocks; `writable_code`: is
 * there any in the process? The ones that were found are never used again. */
PyObject *fs_dropin_drain(struct fs_dropin *d, PyObject *function, PyObject *args, int to_the_end);
int fs_dropin_retire(struct fs_dropin *d, int writable_code);

/* ---- calls -----------------------------------------------------------------------------
 *
 * The module's handler takes the GIL by PyGILState_Ensure() and then uses its user_data, an object
 * that may have been freed while the thread waited. So the GIL is taken here, where a ticket tells
 * whether the object still is there, and held over the handler, whose own taking costs little.
 */

/* install(keep_thread_state=True) */
extern FS_PY_LOCAL int fs_dropin_keep;

struct fs_dropin_call {
    size_t size; /* of the result; 0 when nothing is to be said of it */
    int attached, foreign, fresh;
#if PY_VERSION_HEX >= 0x030C0000
    PyGILState_STATE state;
#else
    PyThreadState *state;
#endif
};

/* Enter in a thread that has no state that it can use, or at a time when Python may be gone: 0 when
 * it is, 1 when the GIL is held, 2 when *known is a state to attach. */
int fs_dropin_enter_slowly(struct fs_dropin_call *c, PyThreadState **known, int keep);

/* What a handler does not write reads as zero: ctypes' writes nothing when the function raises. */
static inline void fs_dropin_clear(const struct fs_dropin_call *c, void *ret)
{
    if (FS_PY_LIKELY(c->size == sizeof(ffi_arg)))
        __builtin_memset(ret, 0, sizeof(ffi_arg));
    else if (c->size)
        __builtin_memset(ret, 0, c->size);
}

/* Take the GIL, and clear the result. 0 when there is no Python to run any more: the result is
 * what the user chose for that (ending.c), nothing is held. */
static inline int fs_dropin_enter(struct fs_dropin_call *c, void *ticket, void *ret, int keep)
{
    /* The cif may be gone with the object that it is in. A cell stays; its closure may not: then
     * nothing is known of the result. */
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    uint32_t size = __atomic_load_n(&cell->result_size, __ATOMIC_ACQUIRE);
    c->size = FS_PY_LIKELY(fs_py_cell_same(cell, ticket)) ? size : 0;
    c->attached = c->foreign = c->fresh = 0;
    fs_dropin_clear(c, ret);
    PyThreadState *known = PyGILState_GetThisThreadState();
    if (FS_PY_UNLIKELY(!known || known == fs_py_dead || fs_py_exiting)) {
        int how = fs_dropin_enter_slowly(c, &known, keep);
        if (how == 0)
            fs_py_no_answer(NULL, ticket, ret, c->size);
        if (how < 2)
            return how;
    }
    PyThreadState *now = fs_py_attached();
#if PY_VERSION_HEX >= 0x030C0000
    if (now) /* this thread's own, be it another interpreter's */
        return 1;
#endif
    if (now != known) {
        PyEval_RestoreThread(known);
        c->attached = 1;
        if (FS_PY_UNLIKELY(c->fresh))
            fs_py_reap_if_any();
    }
    return 1;
}

static inline void fs_dropin_leave(const struct fs_dropin_call *c)
{
    if (FS_PY_LIKELY(c->attached))
        PyEval_SaveThread();
    else if (c->foreign)
#if PY_VERSION_HEX >= 0x030C0000
        PyGILState_Release(c->state);
#else
        fs_py_leave_after_one_call(c->state);
#endif
}

/* Run the module's handler on `object`, which it may free. */
static inline void fs_dropin_run(ffi_static_handler handler, ffi_cif *cif, void *ret, void **args,
                                 PyObject *object)
{
    Py_INCREF(object);
    handler(cif, ret, args, object);
    if (FS_PY_LIKELY(Py_REFCNT(object) > 1)) {
        Py_DECREF(object);
    } else {
        int saved = errno; /* the handler's */
        Py_DECREF(object);
        errno = saved;
    }
}

/* module.c's functions */
extern PyMethodDef fs_dropin_functions[];

#endif
