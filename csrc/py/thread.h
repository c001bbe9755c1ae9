/* SPDX-License-Identifier: MIT */
/* thread.h - interpreters, and the thread states with which a call from C runs Python
 *
 * Functions need the GIL unless they say otherwise.
 */
#ifndef FS_PY_THREAD_H
#define FS_PY_THREAD_H

#include "py/compat.h"

/* One Python interpreter. Never freed, so that a late call from C can read `alive` after the
 * interpreter has gone. */
struct fs_py_interp {
    PyInterpreterState *state;
    fs_py_view *view; /* from 3.15 on */
    bool is_main;
    bool alive; /* atomic: false from the moment on which the interpreter's objects are torn down */
    struct fs_py_interp *next;
};

/* What fs_py_enter() did, for fs_py_leave() to undo. */
struct fs_py_entry {
    PyThreadState *swapped;   /* state of another interpreter to go back to, or NULL */
    PyThreadState *temporary; /* state made for this call, to be deleted, or NULL */
    fs_py_guard *guard;       /* keeps a subinterpreter from ending during the call, or NULL */
    bool attached;            /* we took the GIL and must release it */
    PyObject *pending[3];     /* exception that the caller had set already */
};

/* The interpreter that runs now; NULL with an exception. Borrowed, immortal. */
FS_HIDDEN struct fs_py_interp *fs_py_interp_current(void);

/* Make this thread run Python in `interp`. No GIL needed. 0, or -1 when Python cannot be run:
 * finalization has begun, the interpreter has ended, or there is no memory for a thread state.
 * Then nothing is held, and the caller goes on with fs_py_no_answer(). */
FS_HIDDEN int fs_py_enter(struct fs_py_interp *interp, struct fs_py_entry *entry);
FS_HIDDEN void fs_py_leave(struct fs_py_entry *entry);

/* Delete the thread states of threads that have exited. */
FS_HIDDEN void fs_py_reap(void);
FS_HIDDEN void fs_py_reap_if_any(void);

/* For a thread that has just attached a state that will be kept. */
FS_HIDDEN void fs_py_has_a_new_state(void);

/* False while it is sure that finalization has not begun. Threads without the GIL read it. */
extern FS_HIDDEN bool fs_py_exiting;
static inline bool fs_py_may_be_exiting(void)
{
    return __atomic_load_n(&fs_py_exiting, __ATOMIC_RELAXED);
}

/* The state that this thread has given up because the thread exits. Not to be used as it is. */
extern FS_HIDDEN FS_PY_THREAD_LOCAL PyThreadState *fs_py_dead;

/* May a call from C run Python in this thread? No GIL needed. */
FS_HIDDEN bool fs_py_may_run(void);

/* Give this thread a state that lasts as long as the thread does, if it has none, so that
 * PyGILState_Ensure() finds one. No GIL needed. False when PyGILState_Ensure() must not be called
 * any more in this thread, which is exiting. */
FS_HIDDEN bool fs_py_keep_state(void);

/* Take the GIL with a state that lasts for one call, in a thread without a state. No GIL needed.
 * Unlike with PyGILState_Ensure(), a child that is forked meanwhile does not hang before 3.12.
 * False without memory, then nothing is held. */
struct fs_py_one_call {
    void *token;              /* from 3.15 on */
    PyGILState_STATE ensured; /* from 3.12 */
    PyThreadState *state;     /* before */
};
FS_HIDDEN bool fs_py_enter_for_one_call(struct fs_py_one_call *once);
FS_HIDDEN void fs_py_leave_after_one_call(const struct fs_py_one_call *once);

/* Why this thread cannot run Python in `interp`; NULL stands for the main one. No GIL needed. */
enum fs_py_why {
    FS_PY_ANOTHER_ENDS_IT,   /* another thread ends Python, or has ended it */
    FS_PY_THIS_ENDS_IT,      /* this thread does */
    FS_PY_FORKED_LATE,       /* a child, forked by another thread than the one that ended Python */
    FS_PY_INTERPRETER_ENDED, /* Python lives */
    FS_PY_NO_STATE,          /* no memory, or this thread is at its very end */
};
FS_HIDDEN enum fs_py_why fs_py_why_not(const struct fs_py_interp *interp);

/* Thread states that this room made and has not deleted yet: {of live threads, to be reaped}. */
FS_HIDDEN void fs_py_thread_counts(unsigned long *kept, unsigned long *dead);

/* Once for each interpreter. 0, or -1 with an exception. */
FS_HIDDEN int fs_py_thread_init(void);

#endif
