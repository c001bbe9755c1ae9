/* SPDX-License-Identifier: MIT */
/* callback.c - the Python object that owns a closure
 *
 * A callback is made with a slot and a cell. close(), the end of a `with` or the last reference
 * frees the slot, after which a call from C aborts the process with one line. A call that is
 * running keeps the object (not the slot) alive, so the call ends normally. During finalization the
 * slot stays on purpose, and ending.c decides what a later call gets.
 */
#include "py/callback.h"

#include "py/running.h"
#include "py/thread.h"

#include <structmember.h>

static unsigned long made, freed;

void fs_py_callback_counts(unsigned long *were_made, unsigned long *were_freed)
{
    *were_made = fs_py_load(&made);
    *were_freed = fs_py_load(&freed);
}

/* The converter speaks of a value; say that the value is the one of error=. */
static void name_error(fs_py_callback *self, PyObject *error)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type != PyExc_TypeError && type != PyExc_ValueError && type != PyExc_OverflowError) {
        PyErr_Restore(type, value, traceback);
        return;
    }
    PyErr_Format(type, "error=%.100R is no result of '%U': %S", error, self->signature->text,
                 value ? value : Py_None);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static int convert_error(fs_py_callback *self, PyObject *error)
{
    const struct fs_py_conv *conv = &self->signature->result;
    size_t size = self->signature->shape->result_size;
    void *room = PyMem_Calloc(1, size ? size : 1);
    if (!room) {
        PyErr_NoMemory();
        return -1;
    }
    int status = 0;
    if (error)
        status = conv->to_c(conv, room, error);
    if (status < 0)
        name_error(self, error);
    if (status == 0 && fs_py_cell_set_error(self->cell, room, size) < 0) {
        PyErr_NoMemory();
        status = -1;
    }
    if (status == 0 && error) {
        Py_INCREF(error);
        self->error = error;
        self->cell->has_error = true;
        if (conv->is_object) {
            self->cell->is_object = true;
            Py_DECREF(error); /* the converter's reference; each call takes its own */
        }
    }
    PyMem_Free(room);
    return status;
}

/* Every provider refused: ffi_static._errors words the exception. */
static void raise_from_errno(int e)
{
    PyObject *errors = PyImport_ImportModule("ffi_static._errors");
    PyObject *raised =
        errors ? PyObject_CallMethod(errors, "allocation_failed", "is", e, ffi_static_error())
               : NULL;
    if (raised)
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
    Py_XDECREF(raised);
    Py_XDECREF(errors);
}

static int make_closure(fs_py_callback *self)
{
    ffi_static_closure *closure = ffi_static_alloc(sizeof *closure, 0, &self->code);
    if (!closure) {
        raise_from_errno(errno);
        return -1;
    }
    int e = ffi_static_prep(closure, &self->signature->shape->cif, fs_py_handler,
                            fs_py_cell_ticket(self->cell), 0);
    if (e < 0) {
        if (e == -ENOMEM)
            PyErr_NoMemory();
        else
            PyErr_Format(PyExc_NotImplementedError, "%U: %s", self->signature->text,
                         ffi_static_error());
        ffi_static_free(closure);
        return -1;
    }
    self->closure = closure;
    self->cell->closure = closure;
    self->cell->result_size = (uint32_t)self->signature->shape->result_size;
    return 0;
}

static int check_callable(PyObject *function, const char *what)
{
    if (PyCallable_Check(function))
        return 0;
    PyErr_Format(PyExc_TypeError, "expected a callable object%s, not %.200s", what,
                 Py_TYPE(function)->tp_name);
    return -1;
}

PyObject *fs_py_callback_make(PyTypeObject *type, fs_py_signature *signature,
                              const struct fs_py_wanted *wanted)
{
    PyObject *onerror = wanted->onerror == Py_None ? NULL : wanted->onerror;
    if (check_callable(wanted->function, "") < 0 ||
        (onerror && check_callable(onerror, " for 'onerror'") < 0) ||
        fs_py_check_arity(wanted->function, signature) < 0)
        return NULL;
    fs_py_reap();
    fs_py_callback *self = (fs_py_callback *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_INCREF(signature);
    self->signature = signature;
    Py_INCREF(wanted->function);
    self->function = wanted->function;
    Py_XINCREF(onerror);
    self->onerror = onerror;
    Py_XINCREF(wanted->functype);
    self->functype = wanted->functype;
    struct fs_py_interp *interp = fs_py_interp_current();
    self->cell = interp ? fs_py_cell_new(FS_PY_CALLBACKS, NULL) : NULL;
    if (interp && !self->cell)
        PyErr_NoMemory();
    if (!self->cell || convert_error(self, wanted->error) < 0 || make_closure(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->cell->own.interp = interp;
    fs_py_store(&self->cell->callback, (PyObject *)self);
    fs_py_add(&made, 1);
    return (PyObject *)self;
}

static PyObject *callback_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"signature", "function", "error", "onerror", NULL};
    PyObject *signature;
    struct fs_py_wanted wanted = {.onerror = Py_None};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O|OO:Callback", names, &fs_py_signature_type,
                                     &signature, &wanted.function, &wanted.error, &wanted.onerror))
        return NULL;
    return fs_py_callback_make(type, (fs_py_signature *)signature, &wanted);
}

/* Free the slot and the cell; a second time does nothing. A call of the callback that runs goes on
 * with what it uses. */
static void shut(fs_py_callback *self)
{
    struct fs_py_cell *cell = fs_py_take(&self->cell);
    if (!cell)
        return;
    PyObject *const used[FS_PY_KEPT] = {(PyObject *)self->signature, self->function, self->onerror};
    fs_py_running_finish(cell, used);
    if (fs_py_finalizing() && self->closure)
        return; /* late calls get the error value, if the user gave one */
    if (self->closure) {
        ffi_static_free(self->closure);
        fs_py_add(&freed, 1);
    }
    self->closure = NULL;
    fs_py_cell_free(cell, NULL);
}

static int callback_traverse(fs_py_callback *self, visitproc visit, void *arg)
{
    Py_VISIT(self->signature);
    Py_VISIT(self->function);
    Py_VISIT(self->onerror);
    Py_VISIT(self->error);
    Py_VISIT(self->functype);
    return 0;
}

/* The collector found the callback in a garbage cycle: nothing in Python can reach it. Only without
 * the function is the cycle broken. So the slot is freed first, and a late call from C finds a
 * closed callback, not half of one. */
static int callback_clear(fs_py_callback *self)
{
    shut(self);
    Py_CLEAR(self->function);
    Py_CLEAR(self->onerror);
    Py_CLEAR(self->error);
    return 0;
}

static void callback_dealloc(fs_py_callback *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)self);
    callback_clear(self);
    Py_CLEAR(self->signature);
    Py_CLEAR(self->functype);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *callback_close(fs_py_callback *self, PyObject *unused)
{
    (void)unused;
    shut(self);
    Py_RETURN_NONE;
}

static PyObject *callback_address(fs_py_callback *self, void *unused)
{
    (void)unused;
    return fs_py_load(&self->cell) ? PyLong_FromVoidPtr(self->code) : PyLong_FromLong(0);
}

static PyObject *callback_closed(fs_py_callback *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!fs_py_load(&self->cell));
}

static PyMethodDef callback_methods[] = {
    {"close", (PyCFunction)callback_close, METH_NOARGS,
     "Free the C function pointer. A call that is running ends normally; a later one aborts."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef callback_members[] = {
    {"signature", T_OBJECT_EX, offsetof(fs_py_callback, signature), READONLY, NULL},
    {"function", T_OBJECT_EX, offsetof(fs_py_callback, function), READONLY, NULL},
    {"functype", T_OBJECT, offsetof(fs_py_callback, functype), READONLY,
     "The ctypes function type that it was made with, or None."},
    {"onerror", T_OBJECT, offsetof(fs_py_callback, onerror), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef callback_getset[] = {
    {"raw_address", (getter)callback_address, NULL, "The code address; 0 when closed.", NULL},
    {"closed", (getter)callback_closed, NULL, "Whether close() has been called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject fs_py_callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ffi_static._lib.CallbackBase",
    .tp_basicsize = sizeof(fs_py_callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "CallbackBase(signature, function, error=<zero>, onerror=None)",
    .tp_new = callback_new,
    .tp_traverse = (traverseproc)callback_traverse,
    .tp_clear = (inquiry)callback_clear,
    .tp_dealloc = (destructor)callback_dealloc,
    .tp_free = PyObject_GC_Del,
    .tp_weaklistoffset = offsetof(fs_py_callback, weakrefs),
    .tp_methods = callback_methods,
    .tp_members = callback_members,
    .tp_getset = callback_getset,
};
