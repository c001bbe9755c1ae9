/* SPDX-License-Identifier: MIT */
/* signature.h - a C function type, with one converter chosen for each argument */
#ifndef FS_PY_SIGNATURE_H
#define FS_PY_SIGNATURE_H

#include "py/convert.h"
#include "py/shape.h"

/* Python's Signature. Immutable, and shared by all callbacks of the same type. */
typedef struct {
    PyObject_VAR_HEAD PyObject *text;
    PyObject *ctype;   /* cffi's type of the function pointer; NULL for ctypes types */
    PyObject *helpers; /* what convert_ctypes.c works with; NULL for cffi's types */
    PyObject *types;   /* tuple that owns every conv's `type` */
    struct fs_py_shape *shape;
    enum fs_py_family family;
    bool swap_errno; /* ctypes' use_errno=True */
    struct fs_py_conv result;
    struct fs_py_conv arguments[1];
} fs_py_signature;

extern FS_HIDDEN PyTypeObject fs_py_signature_type;

#endif
