/* SPDX-License-Identifier: MIT */
/* module.c - ffi_static._lib's start, and the drop-in's functions, which ffi_static/_dropin calls
 *
 * Each function leaves the record in a state in which callbacks can be made and called. Between two
 * functions, and only there, Python may run a signal handler that raises.
 */
#include "base/error.h"
#include "dropin/call.h"
#include "dropin/cffi.h"
#include "dropin/closure.h"
#include "dropin/drain.h"
#include "dropin/libffi.h"
#include "dropin/users.h"
#include "py/module.h"

#include <string.h>

static PyObject *fail(const char *text)
{
    PyErr_SetString(PyExc_RuntimeError, text);
    return NULL;
}

static struct fs_dropin *record(PyObject *number)
{
    unsigned long i = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred())
        return NULL;
    if (i >= FS_DROPIN_MODULES || fs_dropins[i].state == FS_DROPIN_NONE) {
        PyErr_SetString(PyExc_ValueError, "no such record");
        return NULL;
    }
    return &fs_dropins[i];
}

/* A record for this object, its entries found, new or from before; NULL with an exception. */
static struct fs_dropin *prepare(const struct fs_object *object, const char *name,
                                 const char *version)
{
    struct fs_dropin *d = fs_dropin_record(object);
    if (!d) {
        PyErr_Format(PyExc_RuntimeError,
                     "too many copies of ctypes and cffi are loaded: %d are served",
                     FS_DROPIN_MODULES);
        return NULL;
    }
    if (d->state != FS_DROPIN_NONE)
        return d;
    d->object = *object;
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->version, sizeof d->version, "%s", version);
    const char *of_libffi, *of_cffi = NULL;
    int error = fs_dropin_match(d, &fs_dropin_libffi, &of_libffi);
    if (error == 0 && of_libffi)
        error = fs_dropin_match(d, &fs_dropin_cffi, &of_cffi);
    if (error < 0) {
        PyErr_SetString(PyExc_RuntimeError, ffi_static_error());
        return NULL;
    }
    if (!of_libffi || !of_cffi)
        return d;
    PyErr_Format(PyExc_RuntimeError,
                 "it imports neither %s (as modules that share libffi do) nor %s (as cffi does); "
                 "libffi is linked into it statically, or it is not known",
                 of_libffi, of_cffi);
    return NULL;
}

static PyObject *dropin_bind(PyObject *self, PyObject *args)
{
    const char *name, *version;
    PyObject *function;
    struct fs_object object;
    (void)self;
    if (!PyArg_ParseTuple(args, "ssO!:dropin_bind", &name, &version, &PyCFunction_Type, &function))
        return NULL;
    if (fs_object_find((const void *)PyCFunction_GetFunction(function), &object) < 0)
        return fail("its code is in no object that the loader knows");
    struct fs_dropin *d = prepare(&object, name, version);
    if (!d)
        return NULL;
    bool done = d->state == FS_DROPIN_SERVED;
    if (!done) {
        if (fs_dropin_bind(d) < 0)
            return fail(ffi_static_error());
        d->seen = 0;
        d->probes = 0;
        d->wrong = NULL;
        fs_py_store(&d->no_turbo, NULL);
        fs_py_store(&d->prober, pthread_self());
        fs_py_store(&d->state, FS_DROPIN_PROBING);
    }
    return Py_BuildValue("IsO", d->index, d->kind->name, done ? Py_True : Py_False);
}

/* Raise an error if anything that the probe has shown so far is not as expected. */
static PyObject *dropin_check(PyObject *self, PyObject *number)
{
    struct fs_dropin *d = record(number);
    (void)self;
    if (!d)
        return NULL;
    if (d->wrong)
        return fail(d->wrong);
    Py_RETURN_NONE;
}

static PyObject *dropin_confirm(PyObject *self, PyObject *args)
{
    PyObject *number;
    int writable_code;
    (void)self;
    if (!PyArg_ParseTuple(args, "Op:dropin_confirm", &number, &writable_code))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d)
        return NULL;
    if (d->wrong)
        return fail(d->wrong);
    if ((d->seen & d->kind->proof) != d->kind->proof)
        return fail("it made a callback without using what was rebound");
    if (fs_drain_retire(d, writable_code) < 0)
        return NULL;
    fs_py_add(&d->made, -d->probes); /* which have all been freed */
    fs_py_add(&d->freed, -d->probes);
    d->confirmed = true;
    fs_py_store(&d->state, FS_DROPIN_SERVED);
    Py_RETURN_NONE;
}

/* From here on the record remembers how a callback is made, which draining needs. */
static PyObject *dropin_maker(PyObject *self, PyObject *args)
{
    PyObject *number, *maker, *arguments;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!:dropin_maker", &number, &maker, &PyTuple_Type, &arguments))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d)
        return NULL;
    if (fs_drain_set_maker(d, maker, arguments) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* One function, so that no signal handler runs between withholding and unbinding. */
static PyObject *dropin_restore(PyObject *self, PyObject *args)
{
    PyObject *number;
    int failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "Op:dropin_restore", &number, &failed))
        return NULL;
    struct fs_dropin *d = record(number);
    if (!d)
        return NULL;
    if (d->state != FS_DROPIN_RESTORED) {
        fs_drain_withhold(d);
        fs_dropin_unbind(d, failed);
    }
    Py_RETURN_NONE;
}

static PyObject *dropin_keep(PyObject *self, PyObject *flag)
{
    int keep = PyObject_IsTrue(flag);
    (void)self;
    if (keep < 0)
        return NULL;
    fs_py_store(&fs_call_keeps_states, keep);
    Py_RETURN_NONE;
}

/* May callbacks that are made from now on run by our dispatch? For all interpreters. */
static PyObject *dropin_turbo(PyObject *self, PyObject *flag)
{
    int on = PyObject_IsTrue(flag);
    (void)self;
    if (on < 0)
        return NULL;
    fs_py_store(&fs_turbo_off, !on);
    Py_RETURN_NONE;
}

/* The probe's callback gave a wrong answer by our dispatch: a reason that stays, as a record does.
 */
static PyObject *dropin_no_turbo(PyObject *self, PyObject *number)
{
    struct fs_dropin *d = record(number);
    (void)self;
    if (!d)
        return NULL;
    fs_py_store(&d->no_turbo,
                "a call of its callback by this package's dispatch gave a wrong answer");
    Py_RETURN_NONE;
}

/* What the probe's callbacks run. Not in Python, where a signal handler might raise. */
static PyObject *answer(PyObject *self, PyObject *args)
{
    PyObject *result = PyTuple_GET_ITEM(self, 1);
    if (PyList_Append(PyTuple_GET_ITEM(self, 0), args) < 0)
        return NULL;
    Py_INCREF(result);
    return result;
}

static PyObject *dropin_answer(PyObject *self, PyObject *args)
{
    static PyMethodDef definition = {"answer", answer, METH_VARARGS, NULL};
    PyObject *list, *result;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O:dropin_answer", &PyList_Type, &list, &result))
        return NULL;
    return PyCFunction_New(&definition, args);
}

/* Call the probe's callback as C code does. */
static PyObject *dropin_call(PyObject *self, PyObject *args)
{
    unsigned long long address, pointer;
    short a;
    double b;
    int result;
    (void)self;
    if (!PyArg_ParseTuple(args, "KhdK:dropin_call", &address, &a, &b, &pointer))
        return NULL;
    int (*function)(short, double, void *) = (int (*)(short, double, void *))(uintptr_t)address;
    Py_BEGIN_ALLOW_THREADS;
    result = function(a, b, (void *)(uintptr_t)pointer);
    Py_END_ALLOW_THREADS;
    return PyLong_FromLong(result);
}

/* A string of the record, which may have been cut in the middle of a character. */
static PyObject *text(const char *utf8)
{
    return PyUnicode_DecodeUTF8(utf8, (Py_ssize_t)strlen(utf8), "replace");
}

/* NULL: callbacks that are made now may be run by our dispatch. */
static const char *why_no_turbo(const struct fs_dropin *d)
{
    const char *why = fs_py_load(&d->no_turbo);
    return why ? why : fs_py_load(&fs_turbo_off) ? "turbo=False" : NULL;
}

static PyObject *dropin_records(PyObject *self, PyObject *unused)
{
    static const char *const states[] = {"", "probing", "served", "restored"};
    PyObject *list = PyList_New(0);
    (void)self;
    (void)unused;
    for (unsigned i = 0; list && i < FS_DROPIN_MODULES; i++) {
        struct fs_dropin *d = &fs_dropins[i];
        if (d->state == FS_DROPIN_NONE || (d->state == FS_DROPIN_RESTORED && !d->confirmed))
            continue;
        PyObject *each = Py_BuildValue(
            "{sI sK sN sN ss sN ss ss sk sk sk sz sn}", "index", d->index, "object",
            (unsigned long long)(uintptr_t)d->object.dynamic, "module", text(d->name), "version",
            text(d->version), "state", states[d->state], "file",
            PyUnicode_DecodeFSDefault(d->object.path), "kind", d->kind->name, "about",
            d->kind->about, "made", fs_py_load(&d->made), "freed", fs_py_load(&d->freed), "turbo",
            fs_py_load(&d->turbo), "no_turbo", why_no_turbo(d), "leftover",
            (Py_ssize_t)fs_stock_live(&fs_cffi_of(d)->stock));
        if (!each || PyList_Append(list, each) < 0)
            Py_CLEAR(list);
        Py_XDECREF(each);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"dropin_bind", dropin_bind, METH_VARARGS,
     "dropin_bind(name, version, builtin): rebind the object that holds the builtin function: "
     "(record, kind, whether it is served already). RuntimeError when it is not known."},
    {"dropin_check", dropin_check, METH_O,
     "dropin_check(record): RuntimeError when the probe has found something wrong."},
    {"dropin_confirm", dropin_confirm, METH_VARARGS,
     "dropin_confirm(record, writable_code): the probe has succeeded; now take cffi's free memory "
     "from it. RuntimeError when it had not."},
    {"dropin_maker", dropin_maker, METH_VARARGS,
     "dropin_maker(record, maker, args): maker(*args) makes a cffi callback."},
    {"dropin_restore", dropin_restore, METH_VARARGS,
     "dropin_restore(record, failed): give the imports back that nothing of ours needs."},
    {"dropin_answer", dropin_answer, METH_VARARGS,
     "dropin_answer(list, result): a function that appends its arguments and gives the result."},
    {"dropin_keep", dropin_keep, METH_O, "dropin_keep(flag): keep foreign threads' states."},
    {"dropin_turbo", dropin_turbo, METH_O,
     "dropin_turbo(flag): may callbacks from now on run by this package's dispatch?"},
    {"dropin_no_turbo", dropin_no_turbo, METH_O,
     "dropin_no_turbo(record): the probe has found that they may not."},
    {"dropin_call", dropin_call, METH_VARARGS,
     "dropin_call(address, a, b, c): call int(short, double, void *) without the GIL."},
    {"dropin_records", dropin_records, METH_NOARGS,
     "The records of what is or was served, as dicts."},
    {NULL, NULL, 0, NULL},
};

PyMODINIT_FUNC PyInit__lib(void)
{
    PyObject *module = fs_py_module();
    if (module && (PyModule_AddFunctions(module, functions) < 0 ||
                   PyModule_AddFunctions(module, fs_dropin_users_functions) < 0))
        Py_CLEAR(module);
    return module;
}
