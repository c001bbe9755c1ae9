// SPDX-License-Identifier: MIT
// tables.c - an extension module that uses libffi as _ctypes does; its build decides on its import
// table

#include <Python.h>
#include <ffi.h>
static PyObject *dlopen_(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE;
}
static PyObject *make(PyObject *self, PyObject *unused)
{
    void *code = NULL, *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)closure,
                         (unsigned long long)(uintptr_t)code);
}
static PyObject *drop(PyObject *self, PyObject *closure)
{
    ffi_closure_free((void *)(uintptr_t)PyLong_AsUnsignedLongLong(closure));
    Py_RETURN_NONE;
}
static PyObject *prepare(PyObject *self, PyObject *args)
{
    ffi_cif cif;
    unsigned long long closure, code;
    if (!PyArg_ParseTuple(args, "KK", &closure, &code))
        return NULL;
    ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_void, NULL);
    return PyLong_FromLong(ffi_prep_closure_loc((void *)(uintptr_t)closure, &cif, NULL, NULL,
                                                (void *)(uintptr_t)code));
}
// _ctypes asks Python for this as well, which matters without the GIL.
static PyObject *untrack(PyObject *self, PyObject *object)
{
    PyObject_GC_UnTrack(object);
    Py_RETURN_NONE;
}
static PyMethodDef functions[] = {
    {"dlopen", dlopen_, METH_NOARGS, NULL}, {"make", make, METH_NOARGS, NULL},
    {"drop", drop, METH_O, NULL},           {"prepare", prepare, METH_VARARGS, NULL},
    {"untrack", untrack, METH_O, NULL},     {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "tables", .m_size = -1, .m_methods = functions};
PyMODINIT_FUNC PyInit_tables(void);
PyMODINIT_FUNC PyInit_tables(void)
{
    PyObject *made = PyModule_Create(&def);
#ifdef Py_GIL_DISABLED
    if (made)
        PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
    return made;
}
