/* SPDX-License-Identifier: MIT */
/* invoke.h - a call of a cffi callback by our dispatch, with cffi's own converters
 *
 * What goes well is ours: the arguments, the call, and a result of a plain type. For all else the
 * function's result or exception is handed to cffi's handler, which then does what it always does:
 * converts the result, says what is wrong with it, calls onerror, stores the error result. cffi's
 * handler calls the function by PyObject_Call(), an import that is rebound. So the handler gets
 * what the function gave, and the function is not called twice.
 *
 * The GIL is held.
 */
#ifndef FS_INVOKE_H
#define FS_INVOKE_H

#include "dropin/closure.h"

/* A callback's first call: is ours the dispatch of its calls? `info` is what cffi's handler is
 * given: (function type, function, error result, onerror). */
FS_HIDDEN bool fs_invoke_learn(struct fs_py_cell *cell, const ffi_cif *cif, PyObject *info);

/* Run the callback. When an argument does not convert, cffi's handler runs it, and nothing has
 * happened by then that a program could see. */
FS_HIDDEN void fs_invoke_run(const struct fs_py_cell *cell, ffi_cif *cif, void *ret, void **args,
                             PyObject *info);

/* Have cffi's handler run the callback. */
FS_HIDDEN void fs_invoke_theirs(ffi_static_handler handler, ffi_cif *cif, void *ret, void **args,
                                PyObject *info);

/* When C calls the probe's callback: check where things lie, and that the handler can be handed a
 * result. Sets d->no_turbo to what is not as expected. */
FS_HIDDEN void fs_invoke_check(struct fs_dropin *d, const struct fs_py_cell *cell, ffi_cif *cif,
                               void **args, PyObject *info);

/* In place of PyObject_Call(). */
FS_HIDDEN PyObject *fs_invoke_hook(PyObject *callable, PyObject *args, PyObject *kwargs);

#endif
