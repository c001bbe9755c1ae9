/* SPDX-License-Identifier: MIT */
/* ending.h - calls that no Python can answer */
#ifndef FS_PY_ENDING_H
#define FS_PY_ENDING_H

#include "py/compat.h"

struct fs_py_interp;

/* A call came for the callback of `ticket`, and `interp` cannot run. Returns when there is an
 * answer: there is no result, the user gave an error result, or zeros are asked for. Otherwise
 * this thread stops for good, or the process dies with a sentence. `ret` has room for `size`
 * bytes. Nothing may be held. */
FS_HIDDEN void fs_py_no_answer(const struct fs_py_interp *interp, void *ticket, void *ret,
                               size_t size);

/* A call came for a callback that is closed, while Python runs; the GIL is held. The answer is the
 * user's error result, else zero. Dies with a sentence when there is no error result and Python is
 * ending. */
FS_HIDDEN void fs_py_closed_answer(void *ticket, void *ret, size_t size);

/* Read FFI_STATIC_AT_EXIT. 0, or -1 with an exception. */
FS_HIDDEN int fs_py_ending_init(void);

/* Python's at_exit_zero(flag): are zeros asked for? None: as the environment says. */
FS_HIDDEN PyObject *fs_py_at_exit_zero(PyObject *module, PyObject *flag);

#endif
