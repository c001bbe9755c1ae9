/* SPDX-License-Identifier: MIT */
/* thread.c - make the thread that C calls us on able to run Python
 *
 * PyGILState_Ensure() makes a thread state for a foreign thread and destroys it again on every
 * call (8 to 19 us), and knows only the main interpreter. Here a callback is bound to the
 * interpreter that made it, and the state of a foreign thread is kept until the thread exits.
 * The exiting thread cannot delete it: that needs the GIL, and whoever joins the thread may
 * hold it. It leaves the state on a list, and a pending call on the main thread (or the next
 * callback of a new thread) deletes it. Only the main interpreter's states are kept: another
 * one cannot end while states of other threads exist, so there a state lasts for one call.
 *
 * It fails when finalization has begun or the interpreter has ended; what the C caller gets then,
 * ending.c decides. A thread that is already waiting for the GIL when finalization begins
 * never gets it: CPython ends that thread (before 3.14) or stops it for good (from 3.14).
 */
#include "py.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct record { /* one thread state that we made */
    struct fs_py_interp *interp;
    PyThreadState *state;
    struct record *next;
};

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* see new_state() */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* guards what follows */
static struct fs_py_interp *interps;
static struct record *zombies; /* states of threads that have exited */
static unsigned long kept_count, zombie_count;

static pthread_key_t thread_key;               /* runs thread_exit() */
static FS_PY_THREAD_LOCAL struct record *mine; /* this thread's */
FS_PY_THREAD_LOCAL PyThreadState *fs_py_dead;
static pthread_t finalizer; /* the thread that finalizes Python, or did ... */
static int have_finalizer;  /* ... known once atexit has run */
static int forked_late;     /* this process is a child of which it is not a thread */
int fs_py_exiting = 1;

/* Has Python begun, and not begun to end? */
static int runs(void)
{
    return Py_IsInitialized() && !fs_py_finalizing();
}

static void note_finalizer(void)
{
    finalizer = pthread_self();
    have_finalizer = 1;
    fs_py_exiting = 1;
}

static int reap_pending(void *unused)
{
    (void)unused;
    fs_py_reap();
    return 0;
}

static void thread_exit(void *records)
{
    int queued = 0;
    pthread_mutex_lock(&lock);
    for (struct record *r = records, *next; r; r = next) {
        next = r->next;
        fs_py_dead = r->state;
        kept_count--;
        if (r->interp->alive) {
            r->next = zombies;
            zombies = r;
            zombie_count++;
            queued = 1;
        } else {
            free(r);
        }
    }
    pthread_mutex_unlock(&lock);
    mine = NULL;
    if (queued && runs())
        Py_AddPendingCall(reap_pending, NULL);
}

void fs_py_reap(void)
{
    PyInterpreterState *here = PyThreadState_Get()->interp;
    for (;;) {
        pthread_mutex_lock(&lock);
        struct record **at = &zombies;
        while (*at && (*at)->interp->state != here)
            at = &(*at)->next;
        struct record *r = *at;
        if (r) {
            *at = r->next;
            zombie_count--;
        }
        pthread_mutex_unlock(&lock);
        if (!r)
            return;
        PyThreadState_Clear(r->state);
#if PY_VERSION_HEX >= 0x030C0000
        /* PyThreadState_Delete() of a state that is bound to a thread's PyGILState clears
         * the *calling* thread's, not that thread's. Its thread has exited: unbind it. */
        r->state->_status.bound_gilstate = 0;
#endif
        PyThreadState_Delete(r->state);
        free(r);
    }
}

void fs_py_reap_if_any(void)
{
    if (FS_PY_UNLIKELY(__atomic_load_n(&zombie_count, __ATOMIC_RELAXED)))
        fs_py_reap();
}

void fs_py_thread_counts(unsigned long *kept, unsigned long *gone)
{
    pthread_mutex_lock(&lock);
    *kept = kept_count;
    *gone = zombie_count;
    pthread_mutex_unlock(&lock);
}

/* ---- fork: only the forking thread lives on, and CPython frees the other states itself. */

static void fork_prepare(void)
{
    pthread_mutex_lock(&making);
    pthread_mutex_lock(&lock);
    fs_py_cells_lock();
}

static void fork_parent(void)
{
    fs_py_cells_unlock();
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&making);
}

static void fork_child(void)
{
    PyThreadState *now = fs_py_attached();
    struct record **at = &mine;
    zombies = NULL;
    zombie_count = 0;
    kept_count = 0;
    while (*at) { /* os.fork() deletes all states of this interpreter but the running one */
        struct record *r = *at;
        if (now && r->state != now && r->state->interp == now->interp) {
            *at = r->next;
        } else {
            kept_count++;
            at = &r->next;
        }
    }
    pthread_setspecific(thread_key, mine);
    if (have_finalizer && !pthread_equal(finalizer, pthread_self())) {
        if (runs())
            finalizer = pthread_self(); /* the child's main thread */
        else
            have_finalizer = !(forked_late = 1);
    }
    fs_py_cells_unlock();
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&making);
}

/* ---- interpreters ----------------------------------------------------------------------- */

static void interp_ends(PyObject *capsule)
{
    struct fs_py_interp *interp = PyCapsule_GetPointer(capsule, "ffi_static.interpreter");
    if (interp->is_main)
        note_finalizer(); /* if atexit did not */
    pthread_mutex_lock(&lock);
    interp->alive = 0;
    struct record **at = &zombies;
    while (*at) { /* the interpreter deletes these itself */
        struct record *r = *at;
        if (r->interp != interp) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        zombie_count--;
        free(r);
    }
    pthread_mutex_unlock(&lock);
    fs_py_cells_orphan(interp);
}

struct fs_py_interp *fs_py_interp_current(void)
{
    PyInterpreterState *state = PyThreadState_Get()->interp;
    struct fs_py_interp *interp;
    pthread_mutex_lock(&lock);
    for (interp = interps; interp; interp = interp->next)
        if (interp->state == state && interp->alive)
            break;
    pthread_mutex_unlock(&lock);
    if (interp)
        return interp;
    PyObject *dict = PyInterpreterState_GetDict(state);
    interp = dict ? calloc(1, sizeof *interp) : NULL;
    if (!interp) {
        PyErr_NoMemory();
        return NULL;
    }
    interp->state = state;
    interp->alive = 1;
    interp->is_main = state == PyInterpreterState_Main();
    PyObject *capsule = PyCapsule_New(interp, "ffi_static.interpreter", interp_ends);
    if (!capsule || PyDict_SetItemString(dict, "ffi_static.interpreter", capsule) < 0) {
        Py_XDECREF(capsule);
        free(interp);
        return NULL;
    }
    Py_DECREF(capsule);
    pthread_mutex_lock(&lock);
    interp->next = interps;
    interps = interp;
    pthread_mutex_unlock(&lock);
    return interp;
}

/* ---- entering and leaving ------------------------------------------------------------------ */

/* A new thread state for this thread; no GIL needed. Before 3.12 a child forked while another
 * thread is in PyThreadState_New() hangs in os.fork(), waiting for a lock that no one holds any
 * more; so no fork happens meanwhile. (From 3.12 on CPython sees to it.) */
static PyThreadState *new_state(PyInterpreterState *interp)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyThreadState_New(interp);
#else
    pthread_mutex_lock(&making);
    PyThreadState *state = PyThreadState_New(interp);
    pthread_mutex_unlock(&making);
    return state;
#endif
}

/* This thread's own state for the main interpreter, made on the first call; NULL without
 * memory. */
static PyThreadState *own_state(struct fs_py_interp *interp, int *fresh)
{
    for (struct record *r = mine; r; r = r->next)
        if (r->interp == interp)
            return r->state;
    struct record *r = malloc(sizeof *r);
    if (!r)
        return NULL;
    r->state = new_state(interp->state);
    if (!r->state) {
        free(r);
        return NULL;
    }
    r->interp = interp;
    r->next = mine;
    mine = r;
    pthread_setspecific(thread_key, r);
    pthread_mutex_lock(&lock);
    kept_count++;
    pthread_mutex_unlock(&lock);
    *fresh = 1;
    return r->state;
}

/* The thread state that this thread runs Python with right now, or NULL. */
static PyThreadState *running_state(PyThreadState *known)
{
    PyThreadState *now = fs_py_attached();
#if PY_VERSION_HEX >= 0x030C0000
    (void)known; /* it is this thread's own variable */
    return now;
#else
    /* Before 3.12 it is whoever holds the GIL. Ours is the one that PyGILState knows, except
     * in a subinterpreter; only where there is one must we look inside a state that may be
     * another thread's. */
    if (!now || now == known)
        return now;
    for (struct record *r = mine; r; r = r->next)
        if (r->state == now)
            return now;
    PyInterpreterState *newest = PyInterpreterState_Head();
    if (newest && !PyInterpreterState_Next(newest))
        return NULL;
    return now->thread_id == PyThread_get_thread_ident() ? now : NULL;
#endif
}

static void stash_error(struct fs_py_entry *entry)
{
    if (PyErr_Occurred())
        PyErr_Fetch(&entry->pending[0], &entry->pending[1], &entry->pending[2]);
}

/* Everything but the two ways that fs_py_enter() serves itself. */
static FS_PY_COLD int enter_slow(struct fs_py_interp *interp, PyThreadState *now,
                                 struct fs_py_entry *entry)
{
    int fresh = 0;
    PyThreadState *state = PyGILState_GetThisThreadState();
    if (fs_py_finalizing() && !(have_finalizer && pthread_equal(finalizer, pthread_self())))
        return -1;
    if (now || !state || state == fs_py_dead || state->interp != interp->state) {
        if (interp->is_main)
            state = own_state(interp, &fresh);
        else
            state = entry->temporary = new_state(interp->state);
    }
    if (!state)
        return -1;
    if (now) {
        entry->swapped = PyThreadState_Swap(state);
    } else {
        PyEval_RestoreThread(state);
        entry->attached = 1;
    }
    if (fresh)
        fs_py_reap();
    return 0;
}

static FS_PY_COLD void leave_temporary(struct fs_py_entry *entry)
{
    PyThreadState_Clear(entry->temporary);
    if (entry->swapped) {
        PyThreadState_Swap(entry->swapped);
        PyThreadState_Delete(entry->temporary);
    } else {
        PyThreadState_DeleteCurrent();
    }
}

int fs_py_enter(struct fs_py_interp *interp, struct fs_py_entry *entry)
{
    entry->swapped = NULL;
    entry->temporary = NULL;
    entry->attached = 0;
    entry->pending[0] = NULL;
    if (FS_PY_UNLIKELY(!interp->alive))
        return -1;
#if PY_VERSION_HEX >= 0x030C0000
    PyThreadState *now = running_state(NULL);
    PyThreadState *known = now ? NULL : PyGILState_GetThisThreadState();
#else
    PyThreadState *known = PyGILState_GetThisThreadState();
    PyThreadState *now = running_state(known);
#endif
    if (now && now->interp == interp->state) {
        stash_error(entry);
        return 0;
    }
    if (FS_PY_UNLIKELY(now || fs_py_exiting || !known || known == fs_py_dead ||
                       known->interp != interp->state))
        return enter_slow(interp, now, entry);
    PyEval_RestoreThread(known);
    entry->attached = 1;
    return 0;
}

void fs_py_leave(struct fs_py_entry *entry)
{
    if (entry->pending[0])
        PyErr_Restore(entry->pending[0], entry->pending[1], entry->pending[2]);
    if (FS_PY_UNLIKELY(entry->temporary != NULL))
        leave_temporary(entry);
    else if (entry->attached)
        PyEval_SaveThread();
    else if (entry->swapped)
        PyThreadState_Swap(entry->swapped);
}

/* ---- for the drop-in, whose modules enter Python by PyGILState_Ensure() themselves ---------- */

int fs_py_may_run(void)
{
    if (runs())
        return 1;
    if (!have_finalizer || !pthread_equal(finalizer, pthread_self()))
        return 0;
    int alive = 0;
    pthread_mutex_lock(&lock);
    for (struct fs_py_interp *i = interps; i; i = i->next)
        alive |= i->is_main && i->alive;
    pthread_mutex_unlock(&lock);
    return alive;
}

/* A destructor of this thread calls, after thread_exit(): take the state back, which PyGILState
 * still knows. 0 when it has been deleted meanwhile. */
static int take_back(void)
{
    struct record *r = NULL;
    pthread_mutex_lock(&lock);
    for (struct record **at = &zombies; *at; at = &(*at)->next)
        if ((*at)->state == fs_py_dead) {
            r = *at;
            *at = r->next;
            zombie_count--;
            kept_count++;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (!r)
        return 0;
    fs_py_dead = NULL;
    r->next = mine;
    mine = r;
    pthread_setspecific(thread_key, mine);
    return 1;
}

int fs_py_keep_state(void)
{
    int fresh;
    PyThreadState *state = PyGILState_GetThisThreadState();
    if (FS_PY_LIKELY(state != NULL))
        return state != fs_py_dead || take_back();
    struct fs_py_interp *interp;
    pthread_mutex_lock(&lock);
    for (interp = interps; interp && !(interp->is_main && interp->alive); interp = interp->next)
        ;
    pthread_mutex_unlock(&lock);
    if (interp)
        own_state(interp, &fresh);
    return 1; /* without a state kept, one is made for this call */
}

#if PY_VERSION_HEX < 0x030C0000
/* PyGILState_Ensure() makes the state and waits for the GIL, which a forking thread holds: no lock
 * can be held over both. So the two steps are taken apart. The state's own count keeps the module's
 * PyGILState_Release() from deleting it. */
PyThreadState *fs_py_enter_for_one_call(void)
{
    PyThreadState *state = new_state(PyInterpreterState_Main());
    if (state)
        PyEval_RestoreThread(state);
    return state;
}

void fs_py_leave_after_one_call(PyThreadState *state)
{
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}
#endif

enum fs_py_why fs_py_why_not(const struct fs_py_interp *interp)
{
    if (runs())
        return interp && !interp->alive ? FS_PY_INTERPRETER_ENDED : FS_PY_NO_STATE;
    if (forked_late)
        return FS_PY_FORKED_LATE;
    /* Without atexit's word: whose stopping the process would not survive. */
    int here = have_finalizer ? pthread_equal(finalizer, pthread_self())
                              : (pid_t)syscall(SYS_gettid) == getpid();
    return here ? FS_PY_THIS_ENDS_IT : FS_PY_ANOTHER_ENDS_IT;
}

/* ---- start-up -------------------------------------------------------------------------------- */

/* Each interpreter's atexit calls it. */
static PyObject *exiting(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (PyThreadState_Get()->interp == PyInterpreterState_Main())
        note_finalizer();
    Py_RETURN_NONE;
}

static PyMethodDef exiting_def = {"_ffi_static_exiting", exiting, METH_NOARGS, NULL};

int fs_py_thread_init(void)
{
    static int done;
    if (!done) {
        int e = pthread_key_create(&thread_key, thread_exit);
        if (!e)
            e = pthread_atfork(fork_prepare, fork_parent, fork_child);
        if (e) {
            errno = e;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        done = 1;
    }
    PyObject *function = PyCFunction_New(&exiting_def, NULL);
    PyObject *atexit = function ? PyImport_ImportModule("atexit") : NULL;
    PyObject *result = atexit ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(atexit);
    if (!result)
        return -1;
    Py_DECREF(result);
    struct fs_py_interp *interp = fs_py_interp_current();
    if (!interp)
        return -1;
    if (interp->is_main) { /* whose atexit comes before all else */
        have_finalizer = 0;
        forked_late = 0;
        fs_py_exiting = 0;
    }
    return 0;
}
