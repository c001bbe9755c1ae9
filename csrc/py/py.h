/* SPDX-License-Identifier: MIT */
/* py.h - what the files of this room share: cells, thread states, converters, signatures
 *
 * Only this room and dropin include Python.h. It sees closures through ffi_static.h; only the
 * drop-in (csrc/dropin) must also know whether an address is a slot's.
 *
 * A call's way: closure -> fs_py_handler (dispatch.c), which gets `user_data` = a *ticket* that
 * names a cell -> fs_py_enter (thread.c) makes this thread able to run Python -> the ticket is
 * checked against the cell -> one converter per argument -> vectorcall -> the result converter.
 *
 * Unless said otherwise a function needs the GIL, returns 0 or -1 with a Python exception set,
 * and a "new reference" is the caller's to drop.
 */
#ifndef FS_PY_H
#define FS_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <ffi.h>

#include "ffi_static.h"

#define FS_PY_LOCAL __attribute__((visibility("hidden")))
#define FS_PY_LIKELY(x) __builtin_expect(!!(x), 1)
#define FS_PY_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FS_PY_COLD __attribute__((cold, noinline))
/* One load instead of a call. Unlike the C library, an extension module is never unloaded. */
#ifdef __GLIBC__ /* which keeps room in the static block for modules that are opened later */
#define FS_PY_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else /* musl's dlopen() refuses the static model */
#define FS_PY_THREAD_LOCAL __thread
#endif

#if PY_VERSION_HEX >= 0x030D0000
#define fs_py_finalizing() Py_IsFinalizing()
#define fs_py_attached() PyThreadState_GetUnchecked()
#else
#define fs_py_finalizing() _Py_IsFinalizing()
#define fs_py_attached() _PyThreadState_UncheckedGet()
#endif

/* ---- thread.c: interpreters and thread states ---------------------------------------- */

/* One Python interpreter. Never freed, so that a late call from C can read `alive` after the
 * interpreter has gone. */
struct fs_py_interp {
    PyInterpreterState *state;
    int is_main;
    int alive; /* 0 from the moment on which the interpreter's objects are torn down */
    struct fs_py_interp *next;
};

/* What fs_py_enter did, for fs_py_leave to undo. */
struct fs_py_entry {
    PyThreadState *swapped;   /* state of another interpreter to go back to, or NULL */
    PyThreadState *temporary; /* state made for this call, to be deleted, or NULL */
    int attached;             /* we took the GIL and must release it */
    PyObject *pending[3];     /* exception that the caller had set already */
};

/* The interpreter that runs now; NULL with an exception. Borrowed, immortal. */
struct fs_py_interp *fs_py_interp_current(void);

/* Make this thread run Python in `interp`. No GIL needed. 0, or -1 when there is no Python to
 * run any more (finalization has begun, the interpreter has ended, or there is no memory for a
 * thread state); then nothing is held, and fs_py_no_answer() is what follows. */
int fs_py_enter(struct fs_py_interp *interp, struct fs_py_entry *entry);
void fs_py_leave(struct fs_py_entry *entry);

/* Delete the thread states of threads that have exited. */
void fs_py_reap(void);

void fs_py_reap_if_any(void);

/* 0 while it is sure that finalization has not begun. */
extern FS_PY_LOCAL int fs_py_exiting;

/* The state that this thread has given up, because it exits: not to be used as it is. */
extern FS_PY_LOCAL FS_PY_THREAD_LOCAL PyThreadState *fs_py_dead;

/* May a call from C run Python in this thread? No GIL needed. */
int fs_py_may_run(void);

/* Give this thread a state that lasts as long as it does, if it has none: so PyGILState_Ensure()
 * finds one. 0 when it must not be called any more in this thread, which is exiting. */
int fs_py_keep_state(void);

#if PY_VERSION_HEX < 0x030C0000
/* What PyGILState_Ensure() does in a thread without a state, and PyGILState_Release(); but a child
 * that is forked meanwhile does not hang. NULL without memory, then nothing is held. */
PyThreadState *fs_py_enter_for_one_call(void);
void fs_py_leave_after_one_call(PyThreadState *state);
#endif

/* Why this thread cannot run Python in `interp`; NULL stands for the main one. No GIL needed. */
enum fs_py_why {
    FS_PY_ANOTHER_ENDS_IT,   /* another thread ends Python, or has ended it */
    FS_PY_THIS_ENDS_IT,      /* this thread does */
    FS_PY_FORKED_LATE,       /* a child, forked by another thread than the one that ended Python */
    FS_PY_INTERPRETER_ENDED, /* Python lives */
    FS_PY_NO_STATE,          /* no memory, or this thread is at its very end */
};
enum fs_py_why fs_py_why_not(const struct fs_py_interp *interp);

/* Thread states that this room made and has not deleted yet: {of live threads, to be reaped}. */
void fs_py_thread_counts(unsigned long *kept, unsigned long *dead);

int fs_py_thread_init(void);

/* ---- cell.c: memory that outlives every callback ------------------------------------- */

/* The C side of one callback. Cells are never given back to malloc: a thread that waits for the
 * GIL while another one closes the callback reads a cell, finds that its ticket is no longer
 * valid, and returns. Changed under the GIL only. */
struct fs_py_cell {
    PyObject *callback;          /* borrowed; NULL when closed. The drop-in: user_data */
    struct fs_py_interp *interp; /* NULL: the drop-in's */
    const ffi_static_closure *closure;
    uint32_t generation; /* counts the callbacks that this cell has served */
    uint32_t index;
    uint32_t result_size; /* room that a handler's `ret` has; 0: no result */
    uint32_t error_size;  /* bytes of `error` in use */
    uint8_t has_error;    /* `error` is what the user gave: it holds to the end of the process */
    uint8_t is_object;    /* `error` is a PyObject * (ctypes' py_object) */
    union {
        unsigned char bytes[16];
        void *pointer; /* a larger result: malloc'ed, kept with the cell */
    } error;
    struct { /* a closure of the drop-in's */
        ffi_static_handler handler;
        void *data;
    } served;
    struct fs_py_cell *next;
};

enum { FS_PY_SLAB_SHIFT = 10, FS_PY_SLAB_CELLS = 1 << FS_PY_SLAB_SHIFT, FS_PY_SLABS = 1 << 16 };
extern FS_PY_LOCAL struct fs_py_cell *fs_py_slabs[FS_PY_SLABS];

/* NULL, without an exception: no memory, or 67 million are in use. Both count, unless `count` is
 * NULL, in one step with what they do. A cell that is freed keeps its generation and its error
 * result until it is used again, for calls that are still on their way. */
struct fs_py_cell *fs_py_cell_new(unsigned long *count);
void fs_py_cell_free(struct fs_py_cell *cell, unsigned long *count);
void fs_py_cells_lock(void); /* for fork() */
void fs_py_cells_unlock(void);
void *fs_py_cell_ticket(const struct fs_py_cell *cell);

static inline struct fs_py_cell *fs_py_cell_of(void *ticket)
{
    uint32_t index = (uint32_t)(uintptr_t)ticket;
    return &fs_py_slabs[index >> FS_PY_SLAB_SHIFT][index & (FS_PY_SLAB_CELLS - 1)];
}

/* Is this still the ticket's generation? */
static inline int fs_py_cell_same(const struct fs_py_cell *cell, void *ticket)
{
    return cell->generation == (uint32_t)((uintptr_t)ticket >> 32);
}

/* And has it a callback to run? */
static inline int fs_py_cell_valid(const struct fs_py_cell *cell, void *ticket)
{
    return cell->callback && fs_py_cell_same(cell, ticket);
}

/* Use a cell for another callback: what it knows of the one before is forgotten. */
void fs_py_cell_renew(struct fs_py_cell *cell);
/* Copy the error result of `cell` to `ret`, which has room for `size` bytes. No GIL needed. */
void fs_py_cell_error(const struct fs_py_cell *cell, void *ret, size_t size);
/* 0, or -ENOMEM without an exception. */
int fs_py_cell_set_error(struct fs_py_cell *cell, const void *bytes, size_t size);
/* Forget the callbacks of an interpreter that ends. */
void fs_py_cells_orphan(struct fs_py_interp *interp);

/* ---- ending.c: calls that no Python can answer ----------------------------------------- */

/* A call came for the callback of `ticket`, and `interp` cannot run. Returns when there is an
 * answer: there is no result, the user gave an error result, or zeros are asked for. Otherwise
 * this thread stops for good, or the process dies with a sentence. `ret` has room for `size`
 * bytes; nothing may be held. */
void fs_py_no_answer(const struct fs_py_interp *interp, void *ticket, void *ret, size_t size);

/* The same for a callback that is closed, while Python runs and has the GIL. Returns, unless
 * Python is ending: zero when the user gave no error result. */
void fs_py_closed_answer(void *ticket, void *ret, size_t size);

/* FFI_STATIC_AT_EXIT. 0, or -1 with an exception. */
int fs_py_ending_init(void);
/* Are zeros asked for? None: as the environment says. */
PyObject *fs_py_at_exit_zero(PyObject *module, PyObject *flag);

/* ---- shape.c: libffi types ------------------------------------------------------------ */

/* A prepared cif. Never freed: a thread may still be returning through it when its last
 * callback is closed, and a program has few different ones. */
struct fs_py_shape {
    ffi_cif cif;
    size_t result_size; /* room that a handler's `ret` has: at least sizeof(ffi_arg) */
    ffi_type *types[];
};

/* The libffi type that a description names; see shape.c. NULL with an exception. Immortal. */
ffi_type *fs_py_type(PyObject *description);
struct fs_py_shape *fs_py_shape_new(ffi_type *result, ffi_type **arguments, unsigned count);
/* Offsets that libffi computes for a struct of these descriptions, as (size, align, offsets). */
PyObject *fs_py_layout(PyObject *module, PyObject *members);

/* ---- convert.c, convert_cffi.c, convert_ctypes.c --------------------------------------- */

struct fs_py_conv;
/* New reference to the Python value of the C value at `data`. */
typedef PyObject *(*fs_py_from_c)(const struct fs_py_conv *conv, void *data);
/* Write `value` to `ret`, at least an ffi_arg wide. */
typedef int (*fs_py_to_c)(const struct fs_py_conv *conv, void *ret, PyObject *value);

struct fs_py_conv {
    fs_py_from_c from_c;
    fs_py_to_c to_c;
    PyObject *type;    /* cffi ctype or ctypes class; owned by the signature */
    PyObject *helpers; /* of ctypes types, see convert_ctypes.c; owned by the signature */
    ffi_type *ffi;
    size_t size;
    int is_object; /* the C value is an owned PyObject * (ctypes' py_object) */
};

enum { FS_PY_CFFI = 0, FS_PY_CTYPES = 1 };

/* Choose `conv`'s functions by `code`: 'n' number, anything else as the family defines it. */
int fs_py_conv_number(struct fs_py_conv *conv, int family);
int fs_py_conv_cffi(struct fs_py_conv *conv, int code);
int fs_py_conv_ctypes(struct fs_py_conv *conv, int code);
/* The slow ways, which the fast ones fall back to: what cffi and ctypes themselves do. */
int fs_py_cffi_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value);
int fs_py_ctypes_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value);
/* ffi.errno is a thread's private int inside cffi. The first gives it the value `saved` and
 * returns where it is; NULL when that could not be found out, and then the second gives its
 * value. `real` is &errno, which both may change. */
int *fs_py_cffi_errno(int *real, int saved);
int fs_py_cffi_restore_errno(int *real);
int fs_py_cffi_init_table(void);
int fs_py_ctypes_check(PyObject *helpers);
/* The function type that these helpers were put together for. Borrowed. */
PyObject *fs_py_ctypes_owner(PyObject *helpers);
/* Exchange errno with ctypes' private copy; `*saved` is the real one. */
int fs_py_ctypes_swap_errno(const struct fs_py_conv *conv, int *saved);

/* ---- signature.c ------------------------------------------------------------------------ */

typedef struct {
    PyObject_VAR_HEAD PyObject *text;
    PyObject *ctype; /* cffi's function pointer type; for ctypes types, their helpers */
    PyObject *types; /* tuple that owns every conv's `type` */
    struct fs_py_shape *shape;
    int family;
    int swap_errno; /* ctypes' use_errno=True */
    struct fs_py_conv result;
    struct fs_py_conv arguments[1];
} fs_py_signature;

extern PyTypeObject fs_py_signature_type;

/* ---- callback.c, dispatch.c -------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD fs_py_signature *signature;
    PyObject *function;
    PyObject *onerror;       /* or NULL */
    PyObject *error;         /* the object given as error=, kept alive; or NULL */
    PyObject *functype;      /* the ctypes type that was given, or NULL */
    struct fs_py_cell *cell; /* NULL when closed */
    ffi_static_closure *closure;
    void *code;
    PyObject *weakrefs;
} fs_py_callback;

extern PyTypeObject fs_py_callback_type;

/* What a callback is to do; borrowed. */
struct fs_py_wanted {
    PyObject *function;
    PyObject *error;    /* or NULL: all bits zero */
    PyObject *onerror;  /* or None */
    PyObject *functype; /* or NULL */
};

/* New reference to an instance of `type`, which is fs_py_callback_type or derived from it. */
PyObject *fs_py_callback_make(PyTypeObject *type, fs_py_signature *signature,
                              const struct fs_py_wanted *wanted);

/* make.c: maker(Callback, resolve, zero, CType, attribute) is the function behind
 * ffi_static.callback(). */
PyObject *fs_py_maker(PyObject *module, PyObject *args);

/* module.c: ffi_static._lib without the drop-in's functions. New reference. */
PyObject *fs_py_module(void);

void fs_py_handler(ffi_cif *cif, void *ret, void **args, void *ticket);

#endif
