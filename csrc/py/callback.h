/* SPDX-License-Identifier: MIT */
/* callback.h - the Python object that owns a closure: how it is made, and what C's call runs
 *
 * A call's way: closure -> fs_py_handler() (dispatch.c), whose `user_data` is a *ticket* that names
 * a cell -> fs_py_enter() (thread.c) makes this thread able to run Python -> the ticket is checked
 * against the cell (running.h) -> one converter for each argument -> vectorcall -> the result's
 * converter.
 */
#ifndef FS_PY_CALLBACK_H
#define FS_PY_CALLBACK_H

#include "py/cell.h"
#include "py/signature.h"

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

extern FS_HIDDEN PyTypeObject fs_py_callback_type;

/* What a callback is to do; borrowed. */
struct fs_py_wanted {
    PyObject *function;
    PyObject *error;    /* or NULL: all bits zero */
    PyObject *onerror;  /* or None */
    PyObject *functype; /* or NULL */
};

/* New reference to an instance of `type`, which is fs_py_callback_type or derived from it. NULL
 * with an exception. */
FS_HIDDEN PyObject *fs_py_callback_make(PyTypeObject *type, fs_py_signature *signature,
                                        const struct fs_py_wanted *wanted);

/* How many callbacks were made, and how many of them were freed. The GIL must be held. */
FS_HIDDEN void fs_py_callback_counts(unsigned long *made, unsigned long *freed);

/* -1 with a TypeError where it is certain that `function` cannot take what C passes (arity.c). */
FS_HIDDEN int fs_py_check_arity(PyObject *function, fs_py_signature *signature);

/* Python's maker(Callback, resolve, zero, CType, attribute): the function behind
 * ffi_static.callback() (make.c). */
FS_HIDDEN PyObject *fs_py_maker(PyObject *module, PyObject *args);

/* The handler of every callback. Any thread, with or without the GIL. */
FS_HIDDEN void fs_py_handler(ffi_cif *cif, void *ret, void **args, void *ticket);

#endif
