/* SPDX-License-Identifier: MIT */
/* module.h - ffi_static._lib as far as this room and cffi fill it */
#ifndef FS_PY_MODULE_H
#define FS_PY_MODULE_H

#include "py/compat.h"

/* ffi_static._lib without the drop-in's functions. New reference; NULL with an exception. */
FS_HIDDEN PyObject *fs_py_module(void);

#endif
