/* SPDX-License-Identifier: MIT */
/* thread.c - make the thread that C calls us on able to run Python
 *
 * PyGILState_Ensure() makes a thread state for a foreign thread and destroys it again on every
 * call (8 to 19 us), and knows only the main interpreter. Here a callback is bound to the
 * interpreter that made it, and the state of a foreign thread is kept until the thread exits.
 * The exiting thread cannot delete its state, because that needs the GIL, which the thread that
 * joins it may hold. So the state goes on a list, and a pending call on the main thread (or the
 * next callback of a new thread) deletes it. Without the GIL the thread deletes its state itself.
 * Only states of the main interpreter are kept. A subinterpreter cannot end while states of other
 * threads exist, so its states last for one call.
 *
 * Fails when finalization has begun or the interpreter has ended; ending.c then decides what the C
 * caller gets. A thread that is already waiting for the GIL when finalization begins never gets the
 * GIL: CPython ends that thread (before 3.14) or stops it for good (from 3.14).
 */
#include "py/thread.h"

#include "py/cell.h"
#include "py/running.h"

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
static bool have_finalizer; /* ... known once atexit has run */
static bool forked_late;    /* this process is a child, forked by another thread */
bool fs_py_exiting = true;
static bool gil_is_on = !FS_PY_NO_GIL; /* atomic: as note_gil() saw it last */

/* A free-threaded Python may have the GIL all the same: from its start, or since the import of a
 * module that needs it. */
static void note_gil(void)
{
    PyObject *ask = FS_PY_NO_GIL ? PySys_GetObject("_is_gil_enabled") : NULL;
    PyObject *answer = ask ? PyObject_CallNoArgs(ask) : NULL;
    if (answer)
        __atomic_store_n(&gil_is_on, answer == Py_True, __ATOMIC_RELAXED);
    else
        PyErr_Clear();
    Py_XDECREF(answer);
}

/* Has Python begun, and not begun to end? */
static bool runs(void)
{
    return Py_IsInitialized() && !fs_py_finalizing();
}

static void note_finalizer(void)
{
    finalizer = pthread_self();
    __atomic_store_n(&have_finalizer, true, __ATOMIC_RELEASE);
    __atomic_store_n(&fs_py_exiting, true, __ATOMIC_RELAXED);
}

/* Is this the thread that ends Python, or has ended it? Only where that is known. */
static bool is_finalizer(void)
{
    return __atomic_load_n(&have_finalizer, __ATOMIC_ACQUIRE) &&
           pthread_equal(finalizer, pthread_self());
}

static int reap_pending(void *unused)
{
    (void)unused;
    fs_py_reap();
    return 0;
}

/* Without the GIL an exiting thread waits for nobody, unless all threads are stopped. And its state
 * must not outlive it: CPython's allocator knows the owner of memory by a number that the system
 * gives to the next thread, which then frees into heaps of this state while another thread deletes
 * it. Where that cannot be helped, the state stays until Python ends: the interpreter is about to
 * end, or all threads are stopped for a second, perhaps by one that waits for a thread that joins
 * this one. */
static void delete_own(struct record *r)
{
    enum { PATIENCE = 1000 };
    for (struct record *next; r; r = next) {
        next = r->next;
        bool can = runs() && !fs_py_may_be_exiting() && r->interp->alive;
        fs_py_guard *guard = FS_PY_GUARDS && can ? fs_py_guard_take(r->interp->view) : NULL;
        can = can && (guard || !FS_PY_GUARDS);
        for (int tries = 0; can && fs_py_is_stopped(r->state) && tries < PATIENCE; tries++)
            usleep(1000);
        if (can && !fs_py_is_stopped(r->state)) {
            PyEval_RestoreThread(r->state);
            PyThreadState_Clear(r->state);
            PyThreadState_DeleteCurrent();
        }
        if (guard)
            fs_py_guard_drop(guard);
        free(r);
        pthread_mutex_lock(&lock);
        kept_count--;
        pthread_mutex_unlock(&lock);
    }
}

static void thread_exit(void *records)
{
    bool queued = false;
    if (FS_PY_NO_GIL && !__atomic_load_n(&gil_is_on, __ATOMIC_RELAXED)) {
        mine = NULL;
        delete_own(records);
        return;
    }
    pthread_mutex_lock(&lock);
    for (struct record *r = records, *next; r; r = next) {
        next = r->next;
        fs_py_dead = r->state;
        kept_count--;
        if (r->interp->alive) {
            r->next = zombies;
            zombies = r;
            zombie_count++;
            queued = true;
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
        fs_py_unbind_state(r->state);
        PyThreadState_Delete(r->state);
        free(r);
    }
}

void fs_py_reap_if_any(void)
{
    if (fs_unlikely(__atomic_load_n(&zombie_count, __ATOMIC_RELAXED)))
        fs_py_reap();
}

void fs_py_has_a_new_state(void)
{
    note_gil();
    fs_py_reap_if_any();
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
    fs_py_running_in_child();
    if (have_finalizer && !pthread_equal(finalizer, pthread_self())) {
        if (runs())
            finalizer = pthread_self(); /* the child's main thread */
        else
            have_finalizer = !(forked_late = true);
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
    __atomic_store_n(&interp->alive, false, __ATOMIC_RELEASE);
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
    interp->view = fs_py_view_new();
    if (FS_PY_GUARDS && !interp->view) {
        free(interp);
        return NULL;
    }
    interp->alive = true;
    interp->is_main = state == PyInterpreterState_Main();
    PyObject *capsule = PyCapsule_New(interp, "ffi_static.interpreter", interp_ends);
    if (!capsule || PyDict_SetItemString(dict, "ffi_static.interpreter", capsule) < 0) {
        Py_XDECREF(capsule);
        fs_py_view_drop(interp->view);
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

/* A new thread state for this thread; no GIL needed. Before 3.12, a child that is forked while
 * another thread is in PyThreadState_New() hangs in os.fork(), waiting for a lock that nobody holds
 * any more. So no fork happens meanwhile. */
static PyThreadState *new_state(PyInterpreterState *interp)
{
    if (FS_PY_NEW_STATE_FORKS)
        return PyThreadState_New(interp);
    pthread_mutex_lock(&making);
    PyThreadState *state = PyThreadState_New(interp);
    pthread_mutex_unlock(&making);
    return state;
}

/* This thread's own state for the main interpreter, made on the first call; NULL without
 * memory. */
static PyThreadState *own_state(struct fs_py_interp *interp, bool *fresh)
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
    *fresh = true;
    return r->state;
}

/* The thread state with which this thread runs Python right now, or NULL. `known` is what
 * PyGILState knows of this thread, if the version needs it. */
static PyThreadState *running_state(PyThreadState *known)
{
    PyThreadState *now = fs_py_attached();
    if (FS_PY_ATTACHED_IS_THREADS || !now || now == known)
        return now;
    /* `now` holds the GIL, and may be another thread's. This thread's is the one that PyGILState
     * knows, except in a subinterpreter. Only where there are subinterpreters must we look inside a
     * state that may be another thread's. */
    for (struct record *r = mine; r; r = r->next)
        if (r->state == now)
            return now;
    PyInterpreterState *newest = PyInterpreterState_Head();
    if (newest && !PyInterpreterState_Next(newest))
        return NULL;
    return now->thread_id == PyThread_get_thread_ident() ? now : NULL;
}

static void stash_error(struct fs_py_entry *entry)
{
    if (PyErr_Occurred())
        PyErr_Fetch(&entry->pending[0], &entry->pending[1], &entry->pending[2]);
}

/* Before a thread attaches a state of this interpreter: see to it that the interpreter does not
 * begin to end until the thread has done so. Then the thread does not wait for ever for a GIL that
 * nobody will give it. False: the end has begun, and this is not the thread that ends it.
 * Before 3.15 it may begin at any moment. */
static bool hold_off(const struct fs_py_interp *interp, fs_py_guard **guard)
{
    if (FS_PY_GUARDS)
        *guard = fs_py_guard_take(interp->view);
    return FS_PY_GUARDS ? *guard || is_finalizer() : !fs_py_finalizing() || is_finalizer();
}

/* A call in a subinterpreter is finished before the interpreter ends, which is an error as long as
 * this thread's state exists. A call in the main one may be a thread's whole work: the program ends
 * nevertheless. */
static void has_attached(struct fs_py_interp *interp, struct fs_py_entry *entry)
{
    if (FS_PY_GUARDS && entry->guard && interp->is_main) {
        fs_py_guard_drop(entry->guard);
        entry->guard = NULL;
    }
}

/* All cases but the two that fs_py_enter() serves itself. */
static FS_COLD int enter_slow(struct fs_py_interp *interp, PyThreadState *now,
                              struct fs_py_entry *entry)
{
    bool fresh = false;
    PyThreadState *state = PyGILState_GetThisThreadState();
    if (!hold_off(interp, &entry->guard))
        return -1;
    if (now || !state || state == fs_py_dead || state->interp != interp->state) {
        if (interp->is_main)
            state = own_state(interp, &fresh);
        else
            state = entry->temporary = new_state(interp->state);
    }
    if (!state) {
        if (FS_PY_GUARDS && entry->guard)
            fs_py_guard_drop(entry->guard);
        return -1;
    }
    if (now) {
        entry->swapped = PyThreadState_Swap(state);
    } else {
        PyEval_RestoreThread(state);
        entry->attached = true;
    }
    has_attached(interp, entry);
    if (fresh)
        fs_py_has_a_new_state();
    return 0;
}

static FS_COLD void leave_temporary(struct fs_py_entry *entry)
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
    entry->guard = NULL;
    entry->attached = false;
    entry->pending[0] = NULL;
    if (fs_unlikely(!__atomic_load_n(&interp->alive, __ATOMIC_ACQUIRE) || !fs_py_running_ready()))
        return -1;
    PyThreadState *known = FS_PY_ATTACHED_IS_THREADS ? NULL : PyGILState_GetThisThreadState();
    PyThreadState *now = running_state(known);
    if (FS_PY_ATTACHED_IS_THREADS && !now)
        known = PyGILState_GetThisThreadState();
    if (now && now->interp == interp->state) {
        stash_error(entry);
        return 0;
    }
    if (fs_unlikely(now || fs_py_may_be_exiting() || !known || known == fs_py_dead ||
                    known->interp != interp->state))
        return enter_slow(interp, now, entry);
    PyEval_RestoreThread(known);
    entry->attached = true;
    return 0;
}

void fs_py_leave(struct fs_py_entry *entry)
{
    if (entry->pending[0])
        PyErr_Restore(entry->pending[0], entry->pending[1], entry->pending[2]);
    if (fs_unlikely(entry->temporary != NULL))
        leave_temporary(entry);
    else if (entry->attached)
        PyEval_SaveThread();
    else if (entry->swapped)
        PyThreadState_Swap(entry->swapped);
    if (FS_PY_GUARDS && fs_unlikely(entry->guard != NULL))
        fs_py_guard_drop(entry->guard);
}

/* ---- for the drop-in, whose modules enter Python by PyGILState_Ensure() themselves ---------- */

/* The main interpreter, unless it is being torn down. */
static struct fs_py_interp *main_interp(void)
{
    struct fs_py_interp *interp;
    pthread_mutex_lock(&lock);
    for (interp = interps; interp && !(interp->is_main && interp->alive); interp = interp->next)
        ;
    pthread_mutex_unlock(&lock);
    return interp;
}

bool fs_py_may_run(void)
{
    if (runs())
        return true;
    if (!is_finalizer())
        return false;
    return main_interp() != NULL;
}

/* A destructor of this thread calls, after thread_exit(): take the state back, which PyGILState
 * still knows. False when the state has been deleted meanwhile. */
static bool take_back(void)
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
        return false;
    fs_py_dead = NULL;
    r->next = mine;
    mine = r;
    pthread_setspecific(thread_key, mine);
    return true;
}

bool fs_py_keep_state(void)
{
    bool fresh;
    PyThreadState *state = PyGILState_GetThisThreadState();
    if (fs_likely(state != NULL))
        return state != fs_py_dead || take_back();
    struct fs_py_interp *interp = main_interp();
    if (interp)
        own_state(interp, &fresh);
    return true; /* if there was no memory to keep a state, one is made for this call */
}

/* PyGILState_Ensure() makes the state and then waits for the GIL, which a forking thread holds. No
 * lock can be held over both, so the two steps are taken apart where a fork matters. The state's
 * own count keeps the module's PyGILState_Release() from deleting the state. */
bool fs_py_enter_for_one_call(struct fs_py_one_call *once)
{
    if (FS_PY_GUARDS) {
        const struct fs_py_interp *interp = main_interp();
        fs_py_guard *guard = interp ? fs_py_guard_take(interp->view) : NULL;
        once->token = guard ? fs_py_ensure(guard) : NULL;
        if (guard)
            fs_py_guard_drop(guard);
        return once->token != NULL;
    }
    if (FS_PY_NEW_STATE_FORKS) {
        once->ensured = PyGILState_Ensure();
        return true;
    }
    once->state = new_state(PyInterpreterState_Main());
    if (!once->state)
        return false;
    PyEval_RestoreThread(once->state);
    return true;
}

void fs_py_leave_after_one_call(const struct fs_py_one_call *once)
{
    if (FS_PY_GUARDS) {
        fs_py_unensure(once->token);
        return;
    }
    if (FS_PY_NEW_STATE_FORKS) {
        PyGILState_Release(once->ensured);
        return;
    }
    PyThreadState_Clear(once->state);
    PyThreadState_DeleteCurrent();
}

enum fs_py_why fs_py_why_not(const struct fs_py_interp *interp)
{
    if (runs())
        return interp && !interp->alive ? FS_PY_INTERPRETER_ENDED : FS_PY_NO_STATE;
    if (forked_late)
        return FS_PY_FORKED_LATE;
    /* Before atexit has told, it is the main thread, without which the process would not end. */
    bool here = have_finalizer ? pthread_equal(finalizer, pthread_self())
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
    static bool done;
    if (!done) {
        int e = pthread_key_create(&thread_key, thread_exit);
        if (!e)
            e = fs_py_running_init();
        if (!e)
            e = pthread_atfork(fork_prepare, fork_parent, fork_child);
        if (e) {
            errno = e;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        done = true;
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
    if (interp->is_main) { /* its atexit comes before all else */
        have_finalizer = false;
        forked_late = false;
        __atomic_store_n(&fs_py_exiting, false, __ATOMIC_RELAXED);
    }
    return 0;
}
