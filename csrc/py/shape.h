/* SPDX-License-Identifier: MIT */
/* shape.h - a signature as libffi describes it, made from the Python side's description */
#ifndef FS_PY_SHAPE_H
#define FS_PY_SHAPE_H

#include "py/compat.h"

#include <ffi.h>

/* A prepared cif. Never freed: a thread may still be returning through it when its last
 * callback is closed, and a program has few different ones. */
struct fs_py_shape {
    ffi_cif cif;
    size_t result_size; /* room that a handler's `ret` has: at least sizeof(ffi_arg) */
    ffi_type *types[];
};

/* The type that a letter stands for; NULL if none. */
FS_HIDDEN ffi_type *fs_py_scalar(Py_UCS4 letter);

/* Python's shape(result, arguments): a capsule. */
FS_HIDDEN PyObject *fs_py_shape(PyObject *module, PyObject *args);

/* Python's layout(members): libffi's (size, align, offsets) of a struct of these descriptions. */
FS_HIDDEN PyObject *fs_py_layout(PyObject *module, PyObject *members);

#endif
