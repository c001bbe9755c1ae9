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
#ifdef Py_GIL_DISABLED
    FS_PY_COUNTS_ALONE = 0, /* a reference count tells nothing of the other threads' references */
#else
    FS_PY_COUNTS_ALONE = 1,
#endif
#if PY_VERSION_HEX >= 0x030C0000
    FS_PY_ATTACHED_IS_THREADS = 1, /* fs_py_attached() is the calling thread's own state ... */
    FS_PY_OWN_GILS = 1,            /* an interpreter may have a GIL of its own */
    FS_PY_NEW_STATE_FORKS = 1,     /* a fork during PyThreadState_New() leaves a child that works */
#else
    FS_PY_ATTACHED_IS_THREADS = 0, /* ... or that of the thread that holds the GIL */
    FS_PY_OWN_GILS = 0,
    FS_PY_NEW_STATE_FORKS = 0,
#endif
#if PY_VERSION_HEX >= 0x030A0000
    FS_PY_CTYPES_VOID_IS_INT = 0,
    FS_PY_CTYPES_PASSES_TUPLE = 0,
#else
    FS_PY_CTYPES_VOID_IS_INT = 1,  /* ctypes tells libffi so of a callback that returns nothing */
    FS_PY_CTYPES_PASSES_TUPLE = 1, /* to a callback's function, and the last argument dies first */
#endif
};

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
