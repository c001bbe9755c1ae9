// SPDX-License-Identifier: MIT
// failing.c - an extension module whose import raises ZeroDivisionError

#include <Python.h>
static int fail(PyObject *module)
{
    PyErr_SetString(PyExc_ZeroDivisionError, "as asked");
    return -1;
}
static PyModuleDef_Slot slots[] = {{Py_mod_exec, fail}, {0, NULL}};
static struct PyModuleDef def = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "failing", .m_slots = slots};
PyMODINIT_FUNC PyInit_failing(void);
PyMODINIT_FUNC PyInit_failing(void)
{
    return PyModuleDef_Init(&def);
}
