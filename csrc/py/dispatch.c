/* SPDX-License-Identifier: MIT */
/* dispatch.c - a call from C: run the Python function, or report why not
 *
 * Whatever happens, the C caller gets a result: the function's, onerror's, or `error`.
 */
#include "py.h"

#include <errno.h>

enum { ON_STACK = 16 };

/* Convert `count` arguments into argv. 0, or -1 and *failed, with none left in argv. */
static int convert_arguments(const fs_py_signature *sig, void **args, PyObject **argv,
                             Py_ssize_t count, Py_ssize_t *failed)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        argv[i] = sig->arguments[i].from_c(&sig->arguments[i], args[i]);
        if (__builtin_expect(!argv[i], 0)) {
            *failed = i;
            while (i--)
                Py_DECREF(argv[i]);
            return -1;
        }
    }
    return 0;
}

static void unraisable(PyObject *text, PyObject *object)
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
    PyErr_Clear();
}

/* `stage`: -2 the call itself, -1 converting the result, otherwise the argument's index. */
static void report(fs_py_callback *self, Py_ssize_t stage)
{
    PyObject *type, *value, *traceback, *text;
    int ctypes = self->signature->family == FS_PY_CTYPES;
    PyErr_Fetch(&type, &value, &traceback);
    if (!ctypes)
        text = PyUnicode_FromFormat("from ffi_static callback %R%s", self->function,
                                    stage == -1 ? ", trying to convert the result back to C" : "");
    else if (stage == -2)
        text = PyUnicode_FromString("on calling ctypes callback function");
    else if (stage == -1)
        text = PyUnicode_FromString("on converting result of ctypes callback function");
    else
        text = PyUnicode_FromFormat("on creating argument %zd for ctypes callback function", stage);
    if (!text) { /* the function's repr failed */
        PyErr_Clear();
        text = PyUnicode_FromString("from ffi_static callback");
    }
    PyErr_Restore(type, value, traceback);
    if (text)
        unraisable(text, ctypes ? self->function : NULL);
    else
        PyErr_WriteUnraisable(self->function);
    Py_XDECREF(text);
}

/* Two exceptions: the callback's (given), then the one that onerror raised (set). */
static void report_both(fs_py_callback *self, Py_ssize_t stage, PyObject *exception[3])
{
    PyObject *second[3];
    PyErr_Fetch(&second[0], &second[1], &second[2]);
    PyErr_Restore(exception[0], exception[1], exception[2]);
    report(self, stage);
    PyErr_Restore(second[0], second[1], second[2]);
    PyObject *text = PyUnicode_FromString("during handling of the above exception by 'onerror'");
    if (text)
        unraisable(text, NULL);
    else
        PyErr_Clear();
    Py_XDECREF(text);
}

static void call_onerror(fs_py_callback *self, Py_ssize_t stage, void *ret)
{
    const struct fs_py_conv *conv = &self->signature->result;
    PyObject *exception[3];
    PyErr_Fetch(&exception[0], &exception[1], &exception[2]);
    PyErr_NormalizeException(&exception[0], &exception[1], &exception[2]);
    if (exception[1] && exception[2])
        PyException_SetTraceback(exception[1], exception[2]);
    PyObject *onerror = self->onerror; /* gc may clear ours meanwhile */
    Py_INCREF(onerror);
    PyObject *result = PyObject_CallFunctionObjArgs(onerror, exception[0] ? exception[0] : Py_None,
                                                    exception[1] ? exception[1] : Py_None,
                                                    exception[2] ? exception[2] : Py_None, NULL);
    Py_DECREF(onerror);
    if (result && result != Py_None) {
        /* through a copy: a result that does not convert leaves `error` in place */
        size_t size = self->signature->shape->result_size;
        void *room = PyMem_Calloc(1, size ? size : 1);
        if (!room)
            PyErr_NoMemory();
        else if (conv->to_c(conv, room, result) == 0)
            memcpy(ret, room, size);
        PyMem_Free(room);
    }
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        report_both(self, stage, exception);
    } else {
        Py_XDECREF(exception[0]);
        Py_XDECREF(exception[1]);
        Py_XDECREF(exception[2]);
    }
}

static void __attribute__((cold))
fail(fs_py_callback *self, struct fs_py_cell *cell, void *ticket, Py_ssize_t stage, void *ret)
{
    size_t size = self->signature->shape->result_size;
    if (fs_py_cell_valid(cell, ticket)) {
        fs_py_cell_error(cell, ret, size);
        if (cell->is_object)
            Py_XINCREF(*(PyObject **)ret);
    } else { /* closed by the call that failed */
        memset(ret, 0, size);
    }
    if (self->onerror)
        call_onerror(self, stage, ret);
    else
        report(self, stage);
}

/* ctypes' use_errno: its private copy becomes errno's value for the call, and back. */
static PyObject *call_swapped(fs_py_callback *self, PyObject **argv, size_t flags, int *saved)
{
    if (fs_py_ctypes_swap_errno(saved) < 0)
        return NULL;
    errno = *saved;
    PyObject *result = PyObject_Vectorcall(self->function, argv, flags, NULL);
    *saved = errno;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (fs_py_ctypes_swap_errno(saved) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return result;
}

static void run(fs_py_callback *self, struct fs_py_cell *cell, void *ticket, void *ret, void **args,
                int *saved_errno)
{
    const fs_py_signature *sig = self->signature;
    Py_ssize_t count = Py_SIZE(sig), stage = -2;
    PyObject *stack[ON_STACK + 1], **argv = stack, *result;
    PyObject *function = self->function;
    if (__builtin_expect(count > ON_STACK, 0)) {
        argv = PyMem_Malloc(((size_t)count + 1) * sizeof *argv);
        if (!argv) {
            PyErr_NoMemory();
            fail(self, cell, ticket, stage, ret);
            return;
        }
    }
    argv++; /* vectorcall may use the place before the first argument */
    if (convert_arguments(sig, args, argv, count, &stage) < 0) {
        fail(self, cell, ticket, stage, ret);
    } else {
        size_t flags = (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        Py_INCREF(function);
        if (__builtin_expect(sig->swap_errno, 0))
            result = call_swapped(self, argv, flags, saved_errno);
        else
            result = PyObject_Vectorcall(function, argv, flags, NULL);
        Py_DECREF(function);
        for (Py_ssize_t i = 0; i < count; i++)
            Py_DECREF(argv[i]);
        if (__builtin_expect(!result, 0)) {
            fail(self, cell, ticket, -2, ret);
        } else {
            if (__builtin_expect(sig->result.to_c(&sig->result, ret, result) < 0, 0))
                fail(self, cell, ticket, -1, ret);
            Py_DECREF(result);
        }
    }
    if (__builtin_expect(argv - 1 != stack, 0))
        PyMem_Free(argv - 1);
}

/* There is no Python to run, or the callback was closed while this thread waited for the GIL.
 * The ticket of a callback that only finalization took away is still good for its `error`. */
static void __attribute__((cold))
answer_without_python(ffi_cif *cif, void *ret, const struct fs_py_cell *cell, void *ticket)
{
    size_t size = cif->rtype->size < sizeof(ffi_arg) ? sizeof(ffi_arg) : cif->rtype->size;
    if (cif->rtype->type == FFI_TYPE_VOID)
        return;
    if (fs_py_cell_same(cell, ticket) && !cell->is_object)
        fs_py_cell_error(cell, ret, size);
    else
        memset(ret, 0, size);
}

/* C calls a closure: the handler of every callback. No GIL, any thread. */
void fs_py_handler(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    struct fs_py_cell *cell = fs_py_cell_of(ticket);
    struct fs_py_entry entry;
    int saved = errno;
    if (__builtin_expect(fs_py_enter(cell->interp, &entry) < 0, 0)) {
        answer_without_python(cif, ret, cell, ticket);
        errno = saved;
        return;
    }
    if (__builtin_expect(!fs_py_cell_valid(cell, ticket), 0)) {
        answer_without_python(cif, ret, cell, ticket);
    } else {
        fs_py_callback *self = (fs_py_callback *)cell->callback;
        int cffi = self->signature->family == FS_PY_CFFI;
        Py_INCREF(self);
        if (cffi) {
            errno = saved;
            fs_py_cffi_save_errno();
        }
        run(self, cell, ticket, ret, args, &saved);
        if (cffi) {
            fs_py_cffi_restore_errno();
            saved = errno;
        }
        Py_DECREF(self);
    }
    fs_py_leave(&entry);
    errno = saved;
}
