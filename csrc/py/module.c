/* SPDX-License-Identifier: MIT */
/* module.c - ffi_static._lib: the module that cffi generated, with our types added
 *
 * The generated source defines its init function under the name fs_py_cffi_init (see
 * csrc/py/extension.py). The function that Python calls is in dropin/module.c, the topmost
 * room. One shared object holds the C library, its cffi bindings (`lib`, `ffi`), the
 * native types and the drop-in.
 */
#include "py/module.h"

#include "py/callback.h"
#include "py/ending.h"
#include "py/thread.h"

extern PyObject *fs_py_cffi_init(void);

static PyObject *thread_counts(PyObject *module, PyObject *unused)
{
    unsigned long kept, dead;
    (void)module;
    (void)unused;
    fs_py_thread_counts(&kept, &dead);
    return Py_BuildValue("kk", kept, dead);
}

static PyObject *callback_counts(PyObject *module, PyObject *unused)
{
    unsigned long made, freed;
    (void)module;
    (void)unused;
    fs_py_callback_counts(&made, &freed);
    return Py_BuildValue("kk", made, freed);
}

static PyMethodDef functions[] = {
    {"shape", fs_py_shape, METH_VARARGS,
     "shape(result, arguments): a prepared libffi cif. Immortal."},
    {"layout", fs_py_layout, METH_O, "layout(members): (size, alignment, offsets) of a struct."},
    {"maker", fs_py_maker, METH_VARARGS,
     "maker(Callback, resolve, zero, CType, attribute): the function that makes callbacks."},
    {"callback_counts", callback_counts, METH_NOARGS,
     "(callbacks that were made, callbacks that were freed)."},
    {"thread_counts", thread_counts, METH_NOARGS,
     "(states kept for live foreign threads, states of exited ones not yet deleted)."},
    {"at_exit_zero", fs_py_at_exit_zero, METH_O,
     "at_exit_zero(flag): answer zero when Python cannot; None: as FFI_STATIC_AT_EXIT says."},
    {NULL, NULL, 0, NULL},
};

/* Does ffi_static/_callback/by_value.py classify by this machine's psABI? */
#if defined __x86_64__ && defined __LP64__
enum { KNOWS_CLASSES = 1 };
#else
enum { KNOWS_CLASSES = 0 };
#endif

static int add_type(PyObject *module, const char *name, PyTypeObject *type)
{
    if (PyType_Ready(type) < 0)
        return -1;
    Py_INCREF(type);
    if (PyModule_AddObject(module, name, (PyObject *)type) < 0) {
        Py_DECREF(type);
        return -1;
    }
    return 0;
}

PyObject *fs_py_module(void)
{
    PyObject *module = fs_py_cffi_init();
    if (!module)
        return NULL;
    if (fs_py_cffi_init_table() < 0 || fs_py_thread_init() < 0 || fs_py_ending_init() < 0 ||
        add_type(module, "Signature", &fs_py_signature_type) < 0 ||
        add_type(module, "CallbackBase", &fs_py_callback_type) < 0 ||
        PyModule_AddIntConstant(module, "knows_classes", KNOWS_CLASSES) < 0 ||
        PyModule_AddFunctions(module, functions) < 0 || fs_py_needs_no_gil(module) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
