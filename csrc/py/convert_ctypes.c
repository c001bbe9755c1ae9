/* SPDX-License-Identifier: MIT */
/* convert_ctypes.c - arguments and results exactly as ctypes' own callbacks convert them
 *
 * ctypes exports no C API. Values other than plain numbers therefore go through its objects: a
 * value is read or written through the `value` of a fresh instance of the type, which runs the
 * very getter and setter that ctypes' callbacks use, message texts included. Instances start with a
 * pointer to their memory. Each signature verifies this layout against the buffer protocol, and is
 * refused where the layout is another.
 */
#include "py/convert.h"

#include <string.h>

/* What the Python side hands over with each signature, from its own interpreter's ctypes. */
enum { C_DATA, C_INT, SET_ERRNO, VALUE, OBJECTS, POINTS, OWNER, HELPERS };

static PyObject *helper(const struct fs_py_conv *conv, int which)
{
    return PyTuple_GET_ITEM(conv->helpers, which);
}

static char *memory_of(PyObject *instance)
{
    return *(char **)((char *)instance + sizeof(PyObject));
}

/* A fresh instance of conv's class, whose memory is at least conv->size bytes. */
static PyObject *instance_of(const struct fs_py_conv *conv)
{
    PyObject *instance = PyObject_CallObject(conv->type, NULL);
    if (instance && PyObject_IsInstance(instance, helper(conv, C_DATA)) != 1) {
        PyErr_Format(PyExc_TypeError, "%R made a %.200s, which is not a ctypes instance",
                     conv->type, Py_TYPE(instance)->tp_name);
        Py_CLEAR(instance);
    }
    return instance;
}

/* C gets a copy of what `value` holds. The copy may point at memory that `value` owns, such as the
 * bytes of a c_char_p member. So `value` is leaked, with a warning, as ctypes does for results of
 * type c_char_p. */
static int leak(PyObject *value)
{
    Py_INCREF(value);
    return PyErr_WarnEx(PyExc_RuntimeWarning, "memory leak in callback function.", 1);
}

/* Structures, pointers, function pointers and subclasses of the simple types: a copy, boxed. */
static PyObject *from_boxed(struct fs_py_conv *conv, void *data)
{
    PyObject *instance = instance_of(conv);
    if (instance)
        memcpy(memory_of(instance), data, conv->size);
    return instance;
}

/* Simple types without a fast way: what `instance.value` is. */
static PyObject *from_simple(struct fs_py_conv *conv, void *data)
{
    PyObject *instance = from_boxed(conv, data);
    PyObject *value = instance ? PyObject_GetAttr(instance, helper(conv, VALUE)) : NULL;
    Py_XDECREF(instance);
    return value;
}

static PyObject *from_bool(struct fs_py_conv *conv, void *data)
{
    (void)conv;
    return PyBool_FromLong(*(unsigned char *)data != 0);
}

static PyObject *from_pointer(struct fs_py_conv *conv, void *data)
{
    void *pointer = *(void **)data;
    (void)conv;
    if (!pointer)
        Py_RETURN_NONE;
    return PyLong_FromVoidPtr(pointer);
}

static PyObject *from_string(struct fs_py_conv *conv, void *data)
{
    const char *string = *(const char **)data;
    (void)conv;
    if (!string)
        Py_RETURN_NONE;
    return PyBytes_FromString(string);
}

static PyObject *from_object(struct fs_py_conv *conv, void *data)
{
    PyObject *object = *(PyObject **)data;
    (void)conv;
    if (!object) {
        PyErr_SetString(PyExc_ValueError, "PyObject is NULL");
        return NULL;
    }
    Py_INCREF(object);
    return object;
}

/* A structure or union, which ctypes' own callbacks do not return: an instance of the type. */
static int to_aggregate(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    bool right = PyObject_TypeCheck(value, (PyTypeObject *)conv->type);
    if (!right) {
        PyErr_Format(PyExc_TypeError, "expected %.200s instance, got %.200s",
                     ((PyTypeObject *)conv->type)->tp_name, Py_TYPE(value)->tp_name);
        return -1;
    }
    memset(ret, 0, sizeof(ffi_arg));
    memcpy(ret, memory_of(value), conv->size);
    PyObject *points = PyObject_CallFunctionObjArgs(helper(conv, POINTS), value, NULL);
    int truth = points ? PyObject_IsTrue(points) : -1;
    Py_XDECREF(points);
    return truth > 0 ? leak(value) : truth;
}

static int to_void(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    (void)conv;
    (void)ret;
    (void)value; /* ignored, whatever it is */
    return 0;
}

/* C gets a reference of its own. */
static int to_object(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    (void)conv;
    Py_INCREF(value);
    *(PyObject **)ret = value;
    return 0;
}

int fs_py_ctypes_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    PyObject *instance = instance_of(conv);
    if (!instance)
        return -1;
    if (PyObject_SetAttr(instance, helper(conv, VALUE), value) < 0) {
        Py_DECREF(instance);
        return -1;
    }
    memset(ret, 0, sizeof(ffi_arg));
    memcpy(ret, memory_of(instance), conv->size);
    fs_py_widen(conv->ffi, ret);
    PyObject *kept = PyObject_GetAttr(instance, helper(conv, OBJECTS));
    int status = kept ? 0 : -1;
    if (kept && kept != Py_None)
        status = leak(instance);
    Py_XDECREF(kept);
    Py_DECREF(instance);
    return status;
}

void fs_py_conv_ctypes(struct fs_py_conv *conv, int code)
{
    conv->from_c = from_simple;
    conv->to_c = fs_py_ctypes_to_c;
    switch (code) {
    case 'o':
        conv->from_c = from_boxed;
        conv->to_c = to_aggregate;
        break;
    case '?':
        conv->from_c = from_bool;
        break;
    case 'P':
        conv->from_c = from_pointer;
        break;
    case 'z':
        conv->from_c = from_string;
        break;
    case 'v':
        conv->to_c = to_void;
        break;
    case 'O':
        conv->from_c = from_object;
        conv->to_c = to_object;
        conv->is_object = true;
        break;
    default:
        break;
    }
}

int fs_py_ctypes_swap_errno(const struct fs_py_conv *conv, int *saved)
{
    PyObject *old = PyObject_CallFunction(helper(conv, SET_ERRNO), "i", *saved);
    if (!old)
        return -1;
    *saved = (int)PyLong_AsLong(old);
    Py_DECREF(old);
    return 0;
}

static int verify_layout(PyObject *c_int)
{
    PyObject *instance = PyObject_CallObject(c_int, NULL);
    Py_buffer view;
    if (!instance || PyObject_GetBuffer(instance, &view, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(instance);
        return -1;
    }
    bool same = memory_of(instance) == view.buf;
    PyBuffer_Release(&view);
    Py_DECREF(instance);
    if (same)
        return 0;
    PyErr_SetString(PyExc_NotImplementedError,
                    "ffi_static does not know the layout of this ctypes; use a C declaration "
                    "string instead of a ctypes function type");
    return -1;
}

PyObject *fs_py_ctypes_owner(PyObject *helpers)
{
    return PyTuple_GET_ITEM(helpers, OWNER);
}

/* Are these the helpers, and is this the ctypes that this file knows? */
int fs_py_ctypes_check(PyObject *helpers)
{
    if (!PyTuple_Check(helpers) || PyTuple_GET_SIZE(helpers) != HELPERS) {
        PyErr_SetString(PyExc_TypeError, "a signature of ctypes types needs its helpers");
        return -1;
    }
    return verify_layout(PyTuple_GET_ITEM(helpers, C_INT));
}
