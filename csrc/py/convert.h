/* SPDX-License-Identifier: MIT */
/* convert.h - converters between C values and Python values, of two families: cffi's and ctypes'
 *
 * A signature has one converter for its result and one for each argument. Functions return 0, or -1
 * with an exception, unless they say otherwise.
 */
#ifndef FS_PY_CONVERT_H
#define FS_PY_CONVERT_H

#include "py/compat.h"

#include <ffi.h>

enum fs_py_family { FS_PY_CFFI, FS_PY_CTYPES };

struct fs_py_conv;

/* New reference to the Python value of the C value at `data`. */
typedef PyObject *(*fs_py_from_c)(struct fs_py_conv *conv, void *data);

/* Write `value` to `ret`, at least an ffi_arg wide. */
typedef int (*fs_py_to_c)(const struct fs_py_conv *conv, void *ret, PyObject *value);

struct fs_py_conv {
    fs_py_from_c from_c;
    fs_py_to_c to_c;
    PyObject *type;    /* cffi ctype or ctypes class; owned by the signature */
    PyObject *helpers; /* of ctypes types (convert_ctypes.c), else NULL; owned by the signature */
    ffi_type *ffi;
    size_t size;
    bool is_object;   /* the C value is an owned PyObject * (ctypes' py_object) */
    size_t at, weak;  /* in a cdata of `type`: its pointer, and its weak references; or 0 */
    PyObject *unused; /* a cdata that nobody else knows; owned by the signature. Or NULL */
};

/* An argument's value after the call. A cdata to which nobody refers any more is not freed: the
 * next call gets it, with another pointer. */
static inline void fs_py_conv_done(struct fs_py_conv *conv, PyObject *value)
{
    if (conv->at && Py_REFCNT(value) == 1 && !conv->unused &&
        !*(PyObject **)((char *)value + conv->weak))
        conv->unused = value;
    else
        Py_DECREF(value);
}

/* Choose the functions of `conv`, whose `ffi` is set: for a number, or for a family's `code`. */
FS_HIDDEN int fs_py_conv_number(struct fs_py_conv *conv, enum fs_py_family family);
FS_HIDDEN void fs_py_conv_cffi(struct fs_py_conv *conv, int code);
FS_HIDDEN void fs_py_conv_pointed(struct fs_py_conv *conv, bool number); /* p[0] of a pointer p */
FS_HIDDEN void fs_py_conv_ctypes(struct fs_py_conv *conv, int code);

/* The slow ways, to which the fast ones fall back: what cffi and ctypes themselves do. */
FS_HIDDEN int fs_py_cffi_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value);
FS_HIDDEN int fs_py_ctypes_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value);

/* An integer result of `type`, stored at `ret` in its own width, as the whole ffi_arg that a
 * handler leaves there: on a big-endian machine C reads the other end of it. */
static inline void fs_py_widen(const ffi_type *type, void *ret)
{
    switch (type->type) {
    case FFI_TYPE_SINT8:
        *(ffi_sarg *)ret = *(int8_t *)ret;
        break;
    case FFI_TYPE_UINT8:
        *(ffi_arg *)ret = *(uint8_t *)ret;
        break;
    case FFI_TYPE_SINT16:
        *(ffi_sarg *)ret = *(int16_t *)ret;
        break;
    case FFI_TYPE_UINT16:
        *(ffi_arg *)ret = *(uint16_t *)ret;
        break;
    case FFI_TYPE_SINT32:
        *(ffi_sarg *)ret = *(int32_t *)ret;
        break;
    case FFI_TYPE_UINT32:
        *(ffi_arg *)ret = *(uint32_t *)ret;
        break;
    default:
        break;
    }
}

/* ffi.errno is a thread's private int inside cffi. fs_py_cffi_errno() stores `saved` there and
 * returns its address. NULL: the address could not be found; then fs_py_cffi_restore_errno() gives
 * the value. `real` is &errno, which both may change. */
FS_HIDDEN int *fs_py_cffi_errno(int *real, int saved);
FS_HIDDEN int fs_py_cffi_restore_errno(int *real);

/* cffi's converters: of the value at `data`, which has a cffi `type`. */
extern FS_HIDDEN PyObject *(*fs_py_cffi_from_memory)(char *data, PyObject *type);
extern FS_HIDDEN int (*fs_py_cffi_to_memory)(char *data, PyObject *type, PyObject *value);

/* Take them from cffi, once for the process. */
FS_HIDDEN int fs_py_cffi_init_table(void);

/* Are these the helpers, and is this the ctypes that convert_ctypes.c knows? */
FS_HIDDEN int fs_py_ctypes_check(PyObject *helpers);

/* The function type that these helpers were put together for. Borrowed. */
FS_HIDDEN PyObject *fs_py_ctypes_owner(PyObject *helpers);

/* Exchange errno with ctypes' private copy; `*saved` is the real one. */
FS_HIDDEN int fs_py_ctypes_swap_errno(const struct fs_py_conv *conv, int *saved);

#endif
