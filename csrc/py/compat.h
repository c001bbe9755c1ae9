/* SPDX-License-Identifier: MIT */
/* compat.h - Python.h, and all in which Python's versions and C libraries differ
 *
 * No other file of csrc looks at PY_VERSION_HEX. Where two versions need different steps, a
 * constant here says which, and plain C decides.
 */
#ifndef FS_PY_COMPAT_H
#define FS_PY_COMPAT_H

#include "base/base.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030B0000
#include <longintrepr.h>
#endif

/* Without the GIL any two threads run Python at the same time. running.h tells what then keeps the
 * objects of a call alive. */
#ifdef Py_GIL_DISABLED
#define FS_PY_NO_GIL 1
#else
#define FS_PY_NO_GIL 0
#endif

/* One load instead of a call. Unlike the C library, an extension module is never unloaded. */
#ifdef __GLIBC__ /* keeps room in the static block for modules that are opened later */
#define FS_PY_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else /* musl's dlopen() refuses the static model */
#define FS_PY_THREAD_LOCAL __thread
#endif

#if PY_VERSION_HEX >= 0x030D0000
#define fs_py_finalizing() Py_IsFinalizing()
#define fs_py_attached() PyThreadState_GetUnchecked()
#define FS_PY_PARSE_TUPLE "PyArg_ParseTuple"
#else
#define fs_py_finalizing() _Py_IsFinalizing()
#define fs_py_attached() _PyThreadState_UncheckedGet()
/* What PY_SSIZE_T_CLEAN makes of PyArg_ParseTuple(), and of PyArg_VaParse(). */
#define FS_PY_PARSE_TUPLE "_PyArg_ParseTuple_SizeT"
#endif

/* ctypes' word for when a callback failed: "Exception ignored on calling ctypes callback ...". */
#if PY_VERSION_HEX >= 0x030E0000
#define FS_PY_CTYPES_WHEN "while"
#else
#define FS_PY_CTYPES_WHEN "on"
#endif

enum {
    FS_PY_COUNTS_ALONE = !FS_PY_NO_GIL, /* a count tells of all threads' references */
#if PY_VERSION_HEX >= 0x030C0000
    FS_PY_ATTACHED_IS_THREADS = 1, /* fs_py_attached() is the calling thread's own state ... */
    FS_PY_OWN_GILS = 1,            /* an interpreter may have a GIL of its own */
    FS_PY_NEW_STATE_FORKS = 1,     /* a fork during PyThreadState_New() leaves a child that works */
#else
    FS_PY_ATTACHED_IS_THREADS = 0, /* ... or that of the thread that holds the GIL */
    FS_PY_OWN_GILS = 0,
    FS_PY_NEW_STATE_FORKS = 0,
#endif
#if PY_VERSION_HEX >= 0x030B0000
    FS_PY_CTYPES_VOID_IS_INT = 0,
    FS_PY_CTYPES_PASSES_TUPLE = 0,
#else
    FS_PY_CTYPES_VOID_IS_INT = 1,  /* ctypes tells libffi so of a callback that returns nothing */
    FS_PY_CTYPES_PASSES_TUPLE = 1, /* to a callback's function, and the last argument dies first */
#endif
};

/* From 3.15 on (PEP 788) a thread without the GIL can hold off the end of an interpreter: with a
 * guard, which it gets from a view, unless the end has begun. */
#if PY_VERSION_HEX >= 0x030F0000
#define FS_PY_GUARDS 1
typedef PyInterpreterView fs_py_view;
typedef PyInterpreterGuard fs_py_guard;
#define fs_py_view_new() PyInterpreterView_FromCurrent()
#define fs_py_view_drop(view) PyInterpreterView_Close(view)
#define fs_py_guard_take(view) PyInterpreterGuard_FromView(view)
#define fs_py_guard_drop(guard) PyInterpreterGuard_Close(guard)
#define fs_py_ensure(guard) PyThreadState_Ensure(guard)
#define fs_py_unensure(token) PyThreadState_Release(token)
#else
#define FS_PY_GUARDS 0
typedef void fs_py_view;
typedef void fs_py_guard;
#define fs_py_view_new() NULL
#define fs_py_view_drop(view) ((void)(view))
#define fs_py_guard_take(view) ((void)(view), (fs_py_guard *)NULL)
#define fs_py_guard_drop(guard) ((void)(guard))
#define fs_py_ensure(guard) ((void)(guard), (void *)NULL)
#define fs_py_unensure(token) ((void)(token))
#endif

/* Is this state, which nobody has attached, kept from being attached, because another thread has
 * stopped all threads? Only without the GIL. */
static inline bool fs_py_is_stopped(const PyThreadState *state)
{
#if FS_PY_NO_GIL
    enum { DETACHED = 0 };
    return __atomic_load_n(&state->state, __ATOMIC_RELAXED) != DETACHED;
#else
    (void)state;
    return false;
#endif
}

/* Before PyThreadState_Delete() of a state whose thread has exited. From 3.12 on, the deletion of a
 * state that is bound to a thread's PyGILState clears the PyGILState of the *calling* thread. */
static inline void fs_py_unbind_state(PyThreadState *state)
{
#if PY_VERSION_HEX >= 0x030C0000
    state->_status.bound_gilstate = 0;
#else
    (void)state;
#endif
}

/* The value of an int of one digit, as nearly all ints are. False: it has more digits. */
static inline bool fs_py_compact(PyObject *value, long long *x)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)value))
        return false;
    *x = PyUnstable_Long_CompactValue((PyLongObject *)value);
#else
    Py_ssize_t size = Py_SIZE(value);
    if (size < -1 || size > 1)
        return false;
    *x = size ? size * (long long)((PyLongObject *)value)->ob_digit[0] : 0;
#endif
    return true;
}

/* A word that threads without the GIL read, or that several change when there is none. Where the
 * GIL orders them, these are plain loads and stores. */
#define fs_py_load(at) __atomic_load_n(at, FS_PY_NO_GIL ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED)
#define fs_py_store(at, value)                                                                     \
    __atomic_store_n(at, value, FS_PY_NO_GIL ? __ATOMIC_RELEASE : __ATOMIC_RELAXED)
#define fs_py_add(at, n)                                                                           \
    (FS_PY_NO_GIL ? (void)__atomic_add_fetch(at, n, __ATOMIC_RELAXED) : (void)(*(at) += (n)))

/* The pointer that was at `at`, for the one thread that takes it. */
static inline void *fs_py_take(void *at)
{
    void **from = at, *taken = *from;
    if (FS_PY_NO_GIL)
        return __atomic_exchange_n(from, NULL, __ATOMIC_ACQ_REL);
    *from = NULL;
    return taken;
}

/* New reference to what the key stands for, or NULL with or without an exception. */
static inline PyObject *fs_py_dict_get(PyObject *dict, PyObject *key)
{
    PyObject *found;
#if PY_VERSION_HEX >= 0x030D0000
    (void)PyDict_GetItemRef(dict, key, &found);
#else
    found = PyDict_GetItemWithError(dict, key);
    Py_XINCREF(found);
#endif
    return found;
}

/* Python switches the GIL on when it imports a module that does not say so. */
static inline int fs_py_needs_no_gil(PyObject *module)
{
#if FS_PY_NO_GIL
    return PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#else
    (void)module;
    return 0;
#endif
}

/* Without the GIL an object may be on its way to be freed while another thread still finds it.
 * fs_py_try_incref() then fails; it may be asked only of an object that fs_py_enable_try() has
 * prepared, and while something else keeps the object's memory. */
static inline void fs_py_enable_try(PyObject *object)
{
#if !FS_PY_NO_GIL
    (void)object;
#elif PY_VERSION_HEX >= 0x030E0000
    PyUnstable_EnableTryIncRef(object);
#else /* the mark of objects that a weak reference may find */
    Py_ssize_t shared = __atomic_load_n(&object->ob_ref_shared, __ATOMIC_RELAXED);
    while (!(shared & _Py_REF_SHARED_FLAG_MASK) &&
           !__atomic_compare_exchange_n(&object->ob_ref_shared, &shared,
                                        shared | _Py_REF_MAYBE_WEAKREF, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        ;
#endif
}

static inline bool fs_py_try_incref(PyObject *object)
{
#if !FS_PY_NO_GIL
    Py_INCREF(object);
    return true;
#elif PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_TryIncRef(object);
#else
    if (__atomic_load_n(&object->ob_ref_local, __ATOMIC_RELAXED) == _Py_IMMORTAL_REFCNT_LOCAL)
        return true;
    if (_Py_IsOwnedByCurrentThread(object)) {
        if (object->ob_ref_local == 0)
            return false; /* its last reference is just being given up in this thread */
        Py_INCREF(object);
        return true;
    }
    Py_ssize_t shared = __atomic_load_n(&object->ob_ref_shared, __ATOMIC_RELAXED);
    do {
        if (shared == 0 || shared == _Py_REF_MERGED)
            return false;
    } while (!__atomic_compare_exchange_n(&object->ob_ref_shared, &shared,
                                          shared + (1 << _Py_REF_SHARED_SHIFT), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return true;
#endif
}

/* How ctypes' own callbacks report the exception that is set: `text` is one of these two. */
#if PY_VERSION_HEX >= 0x030E0000
#define FS_PY_CTYPES_CALLING "Exception ignored while calling ctypes callback function %R"
#define FS_PY_CTYPES_CONVERTING                                                                    \
    "Exception ignored while converting result of ctypes callback function %R"
#elif PY_VERSION_HEX >= 0x030D0000
#define FS_PY_CTYPES_CALLING "Exception ignored on calling ctypes callback function %R"
#define FS_PY_CTYPES_CONVERTING                                                                    \
    "Exception ignored on converting result of ctypes callback function %R"
#else
#define FS_PY_CTYPES_CALLING "on calling ctypes callback function"
#define FS_PY_CTYPES_CONVERTING "on converting result of ctypes callback function"
#endif
static inline void fs_py_ctypes_unraisable(const char *text, PyObject *callable)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyErr_FormatUnraisable(text, callable);
#else
    _PyErr_WriteUnraisableMsg(text, callable);
#endif
}

/* An address of a class of ctypes, from which what ctypes knows of the class is as far away as it
 * is in every other class: in the class itself, or in its dictionary. */
static inline uintptr_t fs_py_ctypes_anchor(const PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (uintptr_t)type;
#else
    return (uintptr_t)type->tp_dict;
#endif
}

/* Report the exception that is set: "Exception ignored", `text`, and the object if there is one. */
static inline void fs_py_write_unraisable(PyObject *text, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030D0000
    if (object)
        PyErr_FormatUnraisable("Exception ignored %U %R", text, object);
    else
        PyErr_FormatUnraisable("Exception ignored %U", text);
#else
    const char *utf8 = PyUnicode_AsUTF8(text);
    _PyErr_WriteUnraisableMsg(utf8 ? utf8 : "in ffi_static callback", object);
#endif
}

#endif
