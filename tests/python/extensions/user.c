// SPDX-License-Identifier: MIT
// user.c - an extension module that makes a closure of libffi itself
#include <Python.h>

#include "library.c"

static PyObject *call(PyObject *self, PyObject *unused)
{
    return PyLong_FromLong(use());
}
static PyMethodDef functions[] = {{"call", call, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "user", .m_size = -1, .m_methods = functions};
PyMODINIT_FUNC PyInit_user(void);
PyMODINIT_FUNC PyInit_user(void)
{
    PyObject *made = PyModule_Create(&def);
#ifdef Py_GIL_DISABLED
    if (made) /* else its import switches the GIL on, and Python says so */
        PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
    return made;
}
