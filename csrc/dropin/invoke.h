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

/* What a call works with. */
struct fs_invoke {
    ffi_static_handler handler; /* cffi's ... */
    PyObject *info;             /* ... and what it is given: (function type, function, error result,
                                   onerror); the caller keeps it alive */
    ffi_cif *cif;
    bool integer; /* the result's type is one */
};

/* A callback's first call: is ours the dispatch of its calls? Sets in->integer. */
FS_HIDDEN bool fs_invoke_learn(const struct fs_dropin *d, struct fs_invoke *in);

/* Run the callback. When an argument does not convert, cffi's handler runs it, and nothing has
 * happened by then that a program could see. */
FS_HIDDEN void fs_invoke_run(const struct fs_invoke *in, void *ret, void **args);

/* Have cffi's handler run the callback. */
FS_HIDDEN void fs_invoke_theirs(const struct fs_invoke *in, void *ret, void **args);

/* When C calls the probe's callback: check where things lie, and that the handler can be handed a
 * result. Sets d->no_turbo to what is not as expected. */
FS_HIDDEN void fs_invoke_check(struct fs_dropin *d, const struct fs_invoke *in, void **args);

/* In place of PyObject_Call(). */
FS_HIDDEN PyObject *fs_invoke_hook(PyObject *callable, PyObject *args, PyObject *kwargs);

#endif
