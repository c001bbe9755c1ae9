/* SPDX-License-Identifier: MIT */
/* call.h - a call from C of a closure of the drop-in: take the GIL, run the module's handler
 *
 * The module's handler takes the GIL by PyGILState_Ensure() and then uses its user_data, an object
 * that may have been freed while the thread waited. So the GIL is taken here. The ticket then tells
 * whether the object still exists. The GIL is held over the handler, for which taking it again is
 * cheap.
 */
#ifndef FS_CALL_H
#define FS_CALL_H

#include "base/base.h"
#include "py/cell.h"
#include "py/compat.h"
#include "py/ending.h"
#include "py/running.h"
#include "py/thread.h"

#include <ffi.h>

#include "ffi_static.h"

/* install(keep_thread_state=True) */
extern FS_HIDDEN bool fs_call_keeps_states;

/* What fs_call_enter() did, for fs_call_leave() to undo. */
struct fs_call {
    size_t size;   /* of the result; 0 when nothing is known of it */
    bool attached; /* we took the GIL */
    bool foreign;  /* we took it with `once` */
    bool fresh;    /* this thread's state has just been made */
    struct fs_py_one_call once;
};

enum fs_call_way {
    FS_CALL_NO_PYTHON, /* Python may not be run */
    FS_CALL_ENTERED,   /* the GIL is held */
    FS_CALL_ATTACH,    /* *known is a state to attach */
};

/* How to enter in a thread that has no usable state, or at a time when Python may be gone.
 * `keep_state`: a state that is made for this thread lasts as long as the thread does. */
FS_HIDDEN enum fs_call_way fs_call_enter_slowly(struct fs_call *c, PyThreadState **known,
                                                bool keep_state);

/* A handler need not write its result: ctypes' handler does not when the function raises. Such a
 * result is zero. */
static inline void fs_call_clear(const struct fs_call *c, void *ret)
{
    if (fs_likely(c->size == sizeof(ffi_arg)))
        __builtin_memset(ret, 0, sizeof(ffi_arg));
    else if (c->size)
        __builtin_memset(ret, 0, c->size);
}

/* Take the GIL and clear the result. False when Python may not be run any more: then nothing is
 * held, and the result is what the user chose for this case (py/ending.h). */
static inline bool fs_call_enter(struct fs_call *c, void *ticket, void *ret, bool keep_state)
{
    /* The cif may be gone with the object that contains it; a cell never goes. The result's size is
     * known as long as the cell serves the same closure. */
    const struct fs_py_cell *cell = fs_py_cell_of(ticket);
    uint32_t size = __atomic_load_n(&cell->result_size, __ATOMIC_ACQUIRE);
    c->size = fs_likely(fs_py_cell_same(cell, ticket)) ? size : 0;
    c->attached = c->foreign = c->fresh = false;
    fs_call_clear(c, ret);
    if (fs_unlikely(!fs_py_running_ready())) {
        fs_py_no_answer(NULL, ticket, ret, c->size);
        return false;
    }
    PyThreadState *known = PyGILState_GetThisThreadState();
    if (fs_unlikely(!known || known == fs_py_dead || fs_py_may_be_exiting())) {
        enum fs_call_way way = fs_call_enter_slowly(c, &known, keep_state);
        if (way == FS_CALL_NO_PYTHON)
            fs_py_no_answer(NULL, ticket, ret, c->size);
        if (way != FS_CALL_ATTACH)
            return way == FS_CALL_ENTERED;
    }
    PyThreadState *now = fs_py_attached();
    if (FS_PY_ATTACHED_IS_THREADS && now) /* this thread's, of this interpreter or another */
        return true;
    if (now != known) {
        PyEval_RestoreThread(known);
        c->attached = true;
        if (fs_unlikely(c->fresh))
            fs_py_has_a_new_state();
    }
    return true;
}

static inline void fs_call_leave(const struct fs_call *c)
{
    if (fs_likely(c->attached))
        PyEval_SaveThread();
    else if (c->foreign)
        fs_py_leave_after_one_call(&c->once);
}

/* Have the module's handler run a callback whose object the module owns, and may free meanwhile. */
static inline void fs_call_theirs(const struct fs_call *c, const struct fs_py_running *r,
                                  ffi_static_handler handler, ffi_cif *cif, void *ret, void **args,
                                  void *ticket)
{
    PyObject *owner = fs_py_running_owner(r);
    if (fs_unlikely(!owner)) {
        fs_py_closed_answer(ticket, ret, c->size);
        return;
    }
    handler(cif, ret, args, owner);
    if (FS_PY_NO_GIL)
        fs_py_release(owner);
}

#endif
