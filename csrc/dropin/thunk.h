/* SPDX-License-Identifier: MIT */
/* thunk.h - a call of a ctypes callback by our dispatch, with the converters that ctypes has chosen
 *
 * ctypes' handler finds the thread state, the class of each argument and its converter again in
 * each call. Our dispatch has the thread state already (call.h), and takes the converters from
 * where ctypes keeps them. So values, exceptions and texts are those of ctypes. Where such things
 * lie is known for each version of Python, and a probe compares each with what it must be.
 *
 * The GIL is held.
 */
#ifndef FS_THUNK_H
#define FS_THUNK_H

#include "dropin/closure.h"

/* A callback's first call: is ours the dispatch of its calls? */
FS_HIDDEN bool fs_thunk_learn(struct fs_py_cell *cell, const ffi_cif *cif);

/* Run the callback, between fs_py_running_begin() and fs_py_running_end(). False: an argument does
 * not convert, or a class has changed. Then ctypes' handler has to run it, and nothing has happened
 * that a program could see. */
FS_HIDDEN bool fs_thunk_run(const struct fs_py_cell *cell, struct fs_py_running *running,
                            ffi_cif *cif, void *ret, void **args);

/* The thunk is about to be freed, or cleared: no call of it begins any more, and calls that run
 * keep what they use. `call` is the handler of its closure. */
FS_HIDDEN void fs_thunk_finish(const PyObject *object, ffi_static_handler call);

/* When C calls the probe's callback: check where things lie. Sets d->no_turbo to what is not as
 * expected. */
FS_HIDDEN void fs_thunk_check(struct fs_dropin *d, const ffi_cif *cif);

#endif
