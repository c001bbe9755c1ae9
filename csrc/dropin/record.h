/* SPDX-License-Identifier: MIT */
/* record.h - ctypes and cffi, unmodified, on our closures: by rebinding what their modules import
 *
 * An extension module calls other libraries through its global offset table (GOT), which is data.
 * install() writes our functions into the entries that make, prepare and free closures. What is
 * executable is not touched, and a table that the loader has made read-only (RELRO) is writable
 * only while it is written to. Marshalling, repr and lifetime stay the module's own.
 *
 * Two kinds of modules: ctypes, which calls libffi's closure functions (libffi.c), and cffi
 * as it is on Linux, with an allocator of its own (cffi.c, drain.c, _stock.c). Others that
 * make closures are only named (users.c). Records are per shared object
 * and never given back, for as long as a closure lives its module may call us. All is under the GIL
 * but for what a call of a closure reads.
 */
#ifndef FS_RECORD_H
#define FS_RECORD_H

#include "py/py.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

/* ---- elf.c: a loaded object's imports ------------------------------------------- */

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

/* Which of `count` names the object calls through its GOT, as a mask. *python: does it import
 * anything of Python's? */
unsigned fs_object_calls(const struct fs_object *object, const char *const *names, unsigned count,
                         int *python);

/* The object's variables, the i-th range of them. 1, or 0 when there is none. */
int fs_object_data(const struct fs_object *object, unsigned i, void **start, size_t *size);

/* How often the loader has loaded and unloaded something, as far as it tells. */
struct fs_loads {
    unsigned long long loaded, unloaded;
};
struct fs_loads fs_object_loads(void);

/* Call visit() for each object from the one numbered `from` on, in the loader's order; a new one
 * comes last. The loader is locked meanwhile, so visit() may not load anything. */
void fs_object_each(unsigned from, void (*visit)(const struct fs_object *object));

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

/* Memory that a cffi asked for itself after uninstall(), writable and executable. */
struct fs_stock_area {
    uintptr_t start;
    size_t size, blocks;
    size_t live; /* blocks that a callback lies in ... */
    size_t gone; /* ... and those that cffi will not use again */
};

/* What a record of a cffi has besides; cffi.c and stock.c. */
struct fs_dropin_cffi {
    PyObject *maker, *arguments; /* maker(*arguments) makes a callback */
    PyObject *held;              /* a list: callbacks whose blocks of ours are kept from cffi */
    int draining;                /* `prober` is refused new blocks; */
    size_t refused;              /* when it asked for the first time, for this many bytes */
    unsigned long requests;      /* how often it ever was */
    size_t given;                /* blocks of ours that cffi has ... */
    size_t out;                  /* ... and those of them that are not in its free list */
    int clean;                   /* the free list holds no block of cffi's own */

    /* Blocks of cffi's own. `watched`: since they were counted, all went through our hands. */
    int watched;
    size_t unknown;     /* may be live, from before that */
    size_t accounted;   /* of all that cffi has counted, those that are not ... */
    size_t uncounted;   /* ... and those to be added, which it was refused in this drain */
    uintptr_t *drained; /* found free by a drain */
    size_t drained_count, drained_room;
    struct fs_stock_area *areas;
    size_t area_count, area_room;

    /* cffi's own count of the pages that it asked for last; NULL: not found. */
    size_t *pages;
    size_t pages_kept;   /* its value at uninstall() */
    size_t **candidates; /* while it is searched: words that may be it, ... */
    size_t candidate_count;
    unsigned looks; /* ... looked at so often, ... */
    size_t first;   /* ... at first when it was this */
};

/* One shared object. */
struct fs_dropin {
    enum fs_dropin_state state;
    unsigned index;
    const struct fs_dropin_kind *kind;
    struct fs_object object;
    char name[256], version[64]; /* of the Python module */
    int confirmed;               /* has it ever been served? */
    unsigned entries;
    struct fs_dropin_entry entry[FS_DROPIN_ENTRIES];
    unsigned long made, freed;

    /* While probing, in that thread: what was seen, and the first thing that should not be. */
    pthread_t prober;
    unsigned seen;
    unsigned long probes; /* closures made by it */
    const char *wrong;

    struct fs_dropin_cffi cffi;
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

/* A record for this object, its entries found, new or from before; NULL with an exception. */
struct fs_dropin *fs_dropin_prepare(const struct fs_object *object, const char *name,
                                    const char *version);
/* Write our functions into its entries. 0, or -errno with a sentence: then nothing is. */
int fs_dropin_bind(struct fs_dropin *d);
/* Give back what nothing of ours will use; `failed`: of a record that was never confirmed all, if
 * nothing of ours lives. */
void fs_dropin_unbind(struct fs_dropin *d, int failed);

/* ---- cffi.c ----------------------------------------------------------------------- */

/* While bound: give cffi what we held back. 0, or -1 with an exception. */
int fs_dropin_cffi_release(struct fs_dropin *d);

/* Memory of cffi's own, if it has any free, is taken from it for good, in exchange for ours.
 * `writable_code`: is there any in the process? Calls the maker. 0, or -1 with an exception; then
 * what cffi has is all in use or ours. */
int fs_dropin_cffi_take_over(struct fs_dropin *d, int writable_code);

/* Hold back what cffi has of our memory. Calls the maker; without an exception. */
void fs_dropin_cffi_give_back(struct fs_dropin *d);

/* Can the imports be given back altogether: has cffi no block that we must know of? */
int fs_dropin_cffi_is_out(const struct fs_dropin *d);

/* ---- stock.c: blocks of cffi's own, and how cffi counts them ------------------------ */

enum { FS_STOCK_BLOCK = sizeof(ffi_closure) };

/* A drain begins. */
void fs_stock_begin(struct fs_dropin *d);
/* cffi asks for `size` bytes in a drain, and is refused them. */
void fs_stock_refuse(struct fs_dropin *d, size_t size);
/* Does the search for cffi's count need to see more requests? */
int fs_stock_wants_more(const struct fs_dropin *d);

/* cffi has got memory of its own. 0 or -ENOMEM. */
int fs_stock_mapped(struct fs_dropin *d, void *start, size_t size);

/* A callback in this block begins (1) or ends (-1). */
void fs_stock_live(struct fs_dropin *d, const void *block, int change);

/* Make room for a block that cffi is never to use again; then say so. 0 or -ENOMEM. */
int fs_stock_reserve(struct fs_dropin *d);
void fs_stock_gone(struct fs_dropin *d, const void *block);

/* At the end of a drain that found all: count what may be live, take the right to execute from
 * pages in which nothing is, give areas back in which nothing is. 0, or -1 with an exception: cffi
 * counts in a way that is not known. */
int fs_stock_retire(struct fs_dropin *d, int writable_code);

/* Callbacks in memory of cffi's own that may be live. */
size_t fs_stock_leftover(const struct fs_dropin *d);

/* ---- users.c: who else makes closures ------------------------------------------------ */

extern PyMethodDef fs_dropin_users_functions[];

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

#endif
