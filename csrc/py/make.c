/* SPDX-License-Identifier: MIT */
/* make.c - what ffi_static.callback() does when it has seen the signature before
 *
 * A program makes many callbacks of few signatures. The first use of a signature is parsed in
 * Python (ffi_static/_callback); later ones are found here:
 *
 *     a ctypes function type   in the type's own dict, so that type and signature live equally
 *                              long; a subclass, or a copy of the dict, finds that the signature
 *                              is another type's
 *     a declaration, a cffi    in `known`, which is emptied when it is full
 *     function type
 *
 * The function belongs to one interpreter: its `self` is a tuple of what it works with.
 */
#include "py/callback.h"

enum { CALLBACK, RESOLVE, ZERO, CTYPE, ATTRIBUTE, KNOWN, STATE };
enum { SIGNATURE, FUNCTION, ERROR, ONERROR, FFI, ARGUMENTS };
enum { KNOWN_AT_MOST = 1024 };

static PyObject *of(PyObject *state, int which)
{
    return PyTuple_GET_ITEM(state, which);
}

static fs_py_signature *checked(PyObject *found)
{
    if (!found || Py_IS_TYPE(found, &fs_py_signature_type))
        return (fs_py_signature *)found;
    PyErr_SetString(PyExc_TypeError, "ffi_static: resolve() did not give a signature");
    Py_DECREF(found);
    return NULL;
}

/* New reference, or NULL with or without an exception. */
static fs_py_signature *of_type(PyObject *state, PyTypeObject *type)
{
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE))
        return NULL;
    PyObject *found = fs_py_dict_get(type->tp_dict, of(state, ATTRIBUTE));
    if (!found)
        return NULL;
    fs_py_signature *signature = (fs_py_signature *)found;
    if (Py_IS_TYPE(found, &fs_py_signature_type) && signature->family == FS_PY_CTYPES &&
        fs_py_ctypes_owner(signature->helpers) == (PyObject *)type)
        return signature;
    Py_DECREF(found);
    return NULL;
}

/* For keys whose hash and comparison run no code of the user's. */
static fs_py_signature *of_key(PyObject *state, PyObject *key)
{
    PyObject *known = of(state, KNOWN);
    PyObject *found = fs_py_dict_get(known, key);
    if (found || PyErr_Occurred())
        return (fs_py_signature *)found;
    fs_py_signature *made =
        checked(PyObject_CallFunctionObjArgs(of(state, RESOLVE), key, Py_None, NULL));
    if (!made)
        return NULL;
    if (PyDict_GET_SIZE(known) >= KNOWN_AT_MOST)
        PyDict_Clear(known);
    if (PyDict_SetItem(known, key, (PyObject *)made) < 0)
        PyErr_Clear(); /* it is parsed again next time */
    return made;
}

static fs_py_signature *find(PyObject *state, PyObject *given, PyObject *ffi)
{
    if (PyType_Check(given)) {
        fs_py_signature *found = of_type(state, (PyTypeObject *)given);
        if (found || PyErr_Occurred())
            return found;
    } else if (Py_TYPE(given) == (PyTypeObject *)of(state, CTYPE) ||
               (ffi == Py_None && PyUnicode_CheckExact(given))) {
        return of_key(state, given);
    }
    return checked(PyObject_CallFunctionObjArgs(of(state, RESOLVE), given, ffi, NULL));
}

static PyObject *make(PyObject *state, PyObject *const *args, Py_ssize_t count)
{
    if (count != ARGUMENTS)
        return PyErr_Format(PyExc_TypeError, "make() takes %d arguments", ARGUMENTS);
    fs_py_signature *signature = find(state, args[SIGNATURE], args[FFI]);
    if (!signature)
        return NULL;
    bool is_type = PyType_Check(args[SIGNATURE]);
    struct fs_py_wanted wanted = {
        .function = args[FUNCTION],
        .onerror = args[ONERROR],
        .functype = is_type ? args[SIGNATURE] : NULL,
    };
    /* as in cffi, None stands for the default, except where None is a value of the type */
    if (args[ERROR] != of(state, ZERO) && (args[ERROR] != Py_None || is_type))
        wanted.error = args[ERROR];
    PyObject *made = fs_py_callback_make((PyTypeObject *)of(state, CALLBACK), signature, &wanted);
    Py_DECREF(signature);
    return made;
}

static PyMethodDef make_method = {"make", (PyCFunction)(void (*)(void))make, METH_FASTCALL,
                                  "make(signature, function, error, onerror, ffi): a Callback."};

PyObject *fs_py_maker(PyObject *module, PyObject *args)
{
    PyObject *callback, *resolve, *zero, *ctype, *attribute;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!OOO!U:maker", &PyType_Type, &callback, &resolve, &zero,
                          &PyType_Type, &ctype, &attribute))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)callback, &fs_py_callback_type))
        return PyErr_Format(PyExc_TypeError, "maker() needs a subclass of CallbackBase");
    PyObject *state =
        Py_BuildValue("OOOOON", callback, resolve, zero, ctype, attribute, PyDict_New());
    PyObject *function = state ? PyCFunction_New(&make_method, state) : NULL;
    Py_XDECREF(state);
    return function;
}
