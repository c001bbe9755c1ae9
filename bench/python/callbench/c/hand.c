/* SPDX-License-Identifier: MIT */
/* hand.c - a callback written by hand against Python's C API: the reference of every ratio
 *
 * A careful author of an extension module writes such a callback for a single signature: take the
 * GIL, box the arguments, vectorcall, unbox, release. It needs no closure, because the Python
 * function is a static variable. So it is a limit that a general callback can come near to and
 * hardly beat. The comparator reads its numbers in C, because its author knows their type.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>

static PyObject *int_function, *double_function, *pointer_function, *compare_function;

/* Call `function` with two arguments at most, both stolen; NULL after an error is reported. */
static PyObject *call(PyObject *function, PyObject *first, PyObject *second, size_t count)
{
    PyObject *room[3] = {NULL, first, second};
    PyObject *result = NULL;
    if (first != NULL && (count < 2 || second != NULL))
        result =
            PyObject_Vectorcall(function, room + 1, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(first);
    Py_XDECREF(second);
    if (result == NULL)
        PyErr_WriteUnraisable(function);
    return result;
}

/* Unbox an int, steal the reference; 0 after an error is reported. */
static long to_long(PyObject *function, PyObject *result)
{
    if (result == NULL)
        return 0;
    long value = PyLong_AsLong(result);
    Py_DECREF(result);
    if (value == -1 && PyErr_Occurred()) {
        PyErr_WriteUnraisable(function);
        return 0;
    }
    return value;
}

static int hand_int(int x)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    int answer = (int)to_long(int_function, call(int_function, PyLong_FromLong(x), NULL, 1));
    PyGILState_Release(gil);
    return answer;
}

static double hand_double(double x, double y)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    double answer = 0;
    PyObject *result = call(double_function, PyFloat_FromDouble(x), PyFloat_FromDouble(y), 2);
    if (result != NULL) {
        answer = PyFloat_AsDouble(result);
        Py_DECREF(result);
        if (answer == -1 && PyErr_Occurred())
            PyErr_WriteUnraisable(double_function);
    }
    PyGILState_Release(gil);
    return answer;
}

static size_t hand_pointer(void *data, size_t size)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    size_t answer = 0;
    PyObject *result = call(pointer_function, PyLong_FromVoidPtr(data), PyLong_FromSize_t(size), 2);
    if (result != NULL) {
        answer = PyLong_AsSize_t(result);
        Py_DECREF(result);
        if (answer == (size_t)-1 && PyErr_Occurred())
            PyErr_WriteUnraisable(pointer_function);
    }
    PyGILState_Release(gil);
    return answer;
}

static int hand_compare(const void *a, const void *b)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = call(compare_function, PyLong_FromLong(*(const int *)a),
                            PyLong_FromLong(*(const int *)b), 2);
    int answer = (int)to_long(compare_function, result);
    PyGILState_Release(gil);
    return answer;
}

static const struct shape {
    const char *name;
    PyObject **function;
    void *address;
} shapes[] = {
    {"int", &int_function, (void *)hand_int},
    {"double", &double_function, (void *)hand_double},
    {"pointer", &pointer_function, (void *)hand_pointer},
    {"compare", &compare_function, (void *)hand_compare},
};

PyDoc_STRVAR(bind_doc, "bind(shape, function) -> int\n\n"
                       "Let the C function of `shape` call `function`; its address.");

static PyObject *bind(PyObject *module, PyObject *args)
{
    const char *name;
    PyObject *function;
    (void)module;
    if (!PyArg_ParseTuple(args, "sO:bind", &name, &function))
        return NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(shapes[i].name, name) != 0)
            continue;
        PyObject *old = *shapes[i].function;
        Py_INCREF(function);
        *shapes[i].function = function;
        Py_XDECREF(old);
        return PyLong_FromVoidPtr(shapes[i].address);
    }
    return PyErr_Format(PyExc_ValueError, "no hand-written callback of shape '%s'", name);
}

static PyMethodDef methods[] = {{"bind", bind, METH_VARARGS, bind_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_callbench_hand",
    "Callbacks written by hand.",
    -1,
    methods,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__callbench_hand(void)
{
    return PyModule_Create(&definition);
}
