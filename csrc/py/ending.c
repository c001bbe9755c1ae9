/* SPDX-License-Identifier: MIT */
/* ending.c - calls from C that no Python can answer: never an invented answer
 *
 * Python ends before the process does, and C goes on calling: from its threads, from its atexit
 * handlers. A comparator that then answers 0 makes a sort lose keys. So a call returns only with a
 * result that the user chose: none (void), the callback's own error result, or zeros for all
 * callbacks where FFI_STATIC_AT_EXIT=zero or install(at_exit="zero") asks for zeros. Otherwise
 *
 *   a thread other than the one that ends Python stops for good, as CPython's own threads do from
 *   3.14 on;
 *   the process dies with a sentence if the thread is the one that ends Python or has ended it,
 *   because a process whose last thread stops never ends. The process also dies if it is a child
 *   that another thread forked, and if Python has not ended at all (the interpreter is gone in a
 *   process whose Python lives, or there is no memory for a thread state).
 *
 * A stopped thread holds neither the GIL nor a lock of this library. The thread can be cancelled,
 * and exit() ends it; a thread that joins it waits for ever.
 */
#include "py/ending.h"

#include "py/cell.h"
#include "py/thread.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum at_exit { STOP, ZERO };
static enum at_exit at_exit, at_exit_of_environment;

static FS_NORETURN void stop(void)
{
    if (FS_PY_OWN_GILS && fs_py_attached()) /* another interpreter's GIL may be held */
        PyEval_SaveThread();
    for (;;)
        (void)pause();
}

#define HELP                                                                                       \
    "; give the callback an error result (error=), stop the calls before the program ends, or "    \
    "set "                                                                                         \
    "FFI_STATIC_AT_EXIT=zero"

static FS_NORETURN void die(const struct fs_py_cell *cell, enum fs_py_why why)
{
    static const char *const sentences[] = {
        [FS_PY_THIS_ENDS_IT] = "ffi_static: C called the callback at @ while or after Python "
                               "ended, in the thread that ended it: no answer can be had" HELP,
        [FS_PY_FORKED_LATE] = "ffi_static: C called the callback at @ in a child that was forked "
                              "while or after Python ended: no answer can be had" HELP,
        [FS_PY_INTERPRETER_ENDED] =
            "ffi_static: C called the callback at @ of an interpreter that has ended; close the "
            "callback, or stop the calls, before the interpreter ends",
        [FS_PY_NO_STATE] =
            "ffi_static: C called the callback at @ in a thread that can have no Python thread "
            "state, because there is no memory or the thread is at its very end; give the callback "
            "an error result (error=)",
    };
    fs_die(sentences[why], (uintptr_t)ffi_static_address(cell->closure), 0);
}

/* Store what the user chose to have without Python. False: nothing was chosen. */
static bool chosen(const struct fs_py_cell *cell, void *ticket, void *ret, size_t size)
{
    if (!fs_py_cell_same(cell, ticket))
        return false;
    if (!cell->result_size)
        return true;
    if (!cell->has_error || cell->is_object) /* no reference to an object can be given */
        return false;
    fs_py_cell_error(cell, ret, size);
    return true;
}

void fs_py_no_answer(const struct fs_py_interp *interp, void *ticket, void *ret, size_t size)
{
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    if (chosen(cell, ticket, ret, size))
        return;
    enum fs_py_why why = fs_py_why_not(interp);
    if (fs_py_load(&at_exit) == ZERO && why <= FS_PY_FORKED_LATE) {
        memset(ret, 0, size);
        return;
    }
    if (why == FS_PY_ANOTHER_ENDS_IT)
        stop();
    die(cell, why);
}

void fs_py_closed_answer(void *ticket, void *ret, size_t size)
{
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    fs_py_cells_lock(); /* another thread may be about to use the cell again */
    bool answered = chosen(cell, ticket, ret, size);
    fs_py_cells_unlock();
    if (answered)
        return;
    if (fs_py_finalizing() && fs_py_load(&at_exit) != ZERO)
        die(cell, FS_PY_THIS_ENDS_IT);
    memset(ret, 0, size);
}

PyObject *fs_py_at_exit_zero(PyObject *module, PyObject *flag)
{
    int zero = flag == Py_None ? at_exit_of_environment == ZERO : PyObject_IsTrue(flag);
    (void)module;
    if (zero < 0)
        return NULL;
    fs_py_store(&at_exit, zero ? ZERO : STOP);
    Py_RETURN_NONE;
}

int fs_py_ending_init(void)
{
    const char *word = secure_getenv("FFI_STATIC_AT_EXIT");
    at_exit_of_environment = word && strcmp(word, "zero") == 0 ? ZERO : STOP;
    at_exit = at_exit_of_environment;
    if (!word || !*word || at_exit == ZERO || strcmp(word, "stop") == 0)
        return 0;
    return PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                            "FFI_STATIC_AT_EXIT is '%s', which is neither 'stop' nor 'zero'; it is "
                            "taken for 'stop'",
                            word);
}
