/* SPDX-License-Identifier: MIT */
/* dispatch.c - a call from C: run the Python function, or report why not
 *
 * The C caller gets the function's result, onerror's, or `error`. Where there is no Python to run
 * the function, ending.c decides.
 */
#include "py/callback.h"
#include "py/ending.h"
#include "py/running.h"
#include "py/thread.h"

enum { ON_STACK = 16 };                /* arguments */
enum { RETURNING = -1, CALLING = -2 }; /* stages at which a call may fail; else the argument */

/* One call from C. */
struct fs_py_call {
    struct fs_py_running running; /* keeps the three objects alive */
    fs_py_signature *signature;
    PyObject *function, *onerror;
    struct fs_py_cell *cell;
    void *ticket;
    void *ret;
    void **args;
    int saved_errno; /* what C sees afterwards */
};

static void unraisable(PyObject *text, PyObject *object)
{
    fs_py_write_unraisable(text, object);
    PyErr_Clear();
}

static void report(const struct fs_py_call *call, Py_ssize_t stage)
{
    PyObject *type, *value, *traceback, *text;
    bool ctypes = call->signature->family == FS_PY_CTYPES;
    PyErr_Fetch(&type, &value, &traceback);
    if (!ctypes)
        text = PyUnicode_FromFormat("from ffi_static callback %R%s", call->function,
                                    stage == RETURNING ? ", trying to convert the result back to C"
                                                       : "");
    else if (stage == CALLING)
        text = PyUnicode_FromString(FS_PY_CTYPES_WHEN " calling ctypes callback function");
    else if (stage == RETURNING)
        text = PyUnicode_FromString(FS_PY_CTYPES_WHEN
                                    " converting result of ctypes callback function");
    else
        text = PyUnicode_FromFormat(
            FS_PY_CTYPES_WHEN " creating argument %zd for ctypes callback function", stage);
    if (!text) { /* the function's repr failed */
        PyErr_Clear();
        text = PyUnicode_FromString("from ffi_static callback");
    }
    PyErr_Restore(type, value, traceback);
    if (text)
        unraisable(text, ctypes ? call->function : NULL);
    else
        PyErr_WriteUnraisable(call->function);
    Py_XDECREF(text);
}

/* Two exceptions: the callback's (given), then the one that onerror raised (set). */
static void report_both(const struct fs_py_call *call, Py_ssize_t stage, PyObject *exception[3])
{
    PyObject *second[3];
    PyErr_Fetch(&second[0], &second[1], &second[2]);
    PyErr_Restore(exception[0], exception[1], exception[2]);
    report(call, stage);
    PyErr_Restore(second[0], second[1], second[2]);
    PyObject *text = PyUnicode_FromString("during handling of the above exception by 'onerror'");
    if (text)
        unraisable(text, NULL);
    else
        PyErr_Clear();
    Py_XDECREF(text);
}

static void call_onerror(const struct fs_py_call *call, Py_ssize_t stage)
{
    const struct fs_py_conv *conv = &call->signature->result;
    PyObject *exception[3];
    PyErr_Fetch(&exception[0], &exception[1], &exception[2]);
    PyErr_NormalizeException(&exception[0], &exception[1], &exception[2]);
    if (exception[1] && exception[2])
        PyException_SetTraceback(exception[1], exception[2]);
    PyObject *onerror = call->onerror; /* gc may clear the callback's meanwhile */
    Py_INCREF(onerror);
    PyObject *result = PyObject_CallFunctionObjArgs(onerror, exception[0] ? exception[0] : Py_None,
                                                    exception[1] ? exception[1] : Py_None,
                                                    exception[2] ? exception[2] : Py_None, NULL);
    Py_DECREF(onerror);
    if (result && result != Py_None) {
        /* through a copy: a result that does not convert leaves `error` in place */
        size_t size = call->signature->shape->result_size;
        void *room = PyMem_Calloc(1, size ? size : 1);
        if (!room)
            PyErr_NoMemory();
        else if (conv->to_c(conv, room, result) == 0)
            memcpy(call->ret, room, size);
        PyMem_Free(room);
    }
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        report_both(call, stage, exception);
    } else {
        Py_XDECREF(exception[0]);
        Py_XDECREF(exception[1]);
        Py_XDECREF(exception[2]);
    }
}

/* Store the error result, if the callback has not been closed. */
static bool give_error(const struct fs_py_call *call, size_t size)
{
    struct fs_py_running look;
    if (!fs_py_running_begin(&look, call->cell, call->ticket))
        return false;
    fs_py_cell_error(call->cell, call->ret, size);
    if (call->cell->is_object)
        Py_XINCREF(*(PyObject **)call->ret);
    fs_py_running_seen(&look, fs_py_load(&call->cell->callback));
    fs_py_running_end(&look);
    return true;
}

static FS_COLD void fail(const struct fs_py_call *call, Py_ssize_t stage)
{
    size_t size = call->signature->shape->result_size;
    if (!give_error(call, size)) /* the function has closed its own callback */
        fs_py_closed_answer(call->ticket, call->ret, size);
    if (call->onerror)
        call_onerror(call, stage);
    else
        report(call, stage);
}

/* ctypes' use_errno: the private copy and errno's value are exchanged for the call. */
static PyObject *call_swapped(struct fs_py_call *call, PyObject **argv, size_t flags)
{
    int *saved = &call->saved_errno;
    if (fs_py_ctypes_swap_errno(&call->signature->result, saved) < 0)
        return NULL;
    errno = *saved;
    PyObject *result = PyObject_Vectorcall(call->function, argv, flags, NULL);
    *saved = errno;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (fs_py_ctypes_swap_errno(&call->signature->result, saved) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return result;
}

/* Convert the arguments, call, convert the result. argv[-1] may be used by vectorcall. */
static FS_ALWAYS_INLINE void run(struct fs_py_call *call, PyObject **argv, Py_ssize_t count)
{
    fs_py_signature *sig = call->signature;
    PyObject *result;
    for (Py_ssize_t i = 0; i < count; i++) {
        argv[i] = sig->arguments[i].from_c(&sig->arguments[i], call->args[i]);
        if (fs_unlikely(!argv[i])) {
            for (Py_ssize_t k = 0; k < i; k++)
                Py_DECREF(argv[k]);
            fail(call, i);
            return;
        }
    }
    size_t flags = (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET;
    if (fs_unlikely(sig->swap_errno))
        result = call_swapped(call, argv, flags);
    else
        result = PyObject_Vectorcall(call->function, argv, flags, NULL);
    for (Py_ssize_t i = 0; i < count; i++)
        fs_py_conv_done(&sig->arguments[i], argv[i]);
    if (fs_unlikely(!result)) {
        fail(call, CALLING);
        return;
    }
    if (fs_unlikely(sig->result.to_c(&sig->result, call->ret, result) < 0))
        fail(call, RETURNING);
    Py_DECREF(result);
}

static FS_COLD void run_many(struct fs_py_call *call)
{
    Py_ssize_t count = Py_SIZE(call->signature);
    PyObject **argv = PyMem_Malloc(((size_t)count + 1) * sizeof *argv);
    if (argv) {
        run(call, argv + 1, count);
        PyMem_Free(argv);
    } else {
        PyErr_NoMemory();
        fail(call, CALLING);
    }
}

static size_t result_size(const ffi_cif *cif)
{
    return cif->rtype->type == FFI_TYPE_VOID    ? 0
           : cif->rtype->size < sizeof(ffi_arg) ? sizeof(ffi_arg)
                                                : cif->rtype->size;
}

void fs_py_handler(ffi_cif *cif, void *ret, void **args, void *ticket)
{
    struct fs_py_cell *cell = fs_py_cell_of(ticket);
    PyObject *stack[ON_STACK + 1];
    struct fs_py_entry entry;
    struct fs_py_call call;
    int *real_errno = &errno, saved = *real_errno;
    if (fs_unlikely(fs_py_enter(cell->own.interp, &entry) < 0)) {
        fs_py_no_answer(cell->own.interp, ticket, ret, result_size(cif));
        *real_errno = saved;
        return;
    }
    if (fs_unlikely(!fs_py_running_begin(&call.running, cell, ticket))) {
        fs_py_closed_answer(ticket, ret, result_size(cif));
    } else {
        fs_py_callback *self = (fs_py_callback *)fs_py_load(&cell->callback);
        call.signature = self->signature;
        call.function = self->function;
        call.onerror = self->onerror;
        fs_py_running_seen(&call.running, (PyObject *)self);
        call.cell = cell;
        call.ticket = ticket;
        call.ret = ret;
        call.args = args;
        call.saved_errno = saved;
        bool cffi = call.signature->family == FS_PY_CFFI;
        int *errno_after = cffi ? fs_py_cffi_errno(real_errno, saved) : &call.saved_errno;
        if (fs_likely(Py_SIZE(call.signature) <= ON_STACK))
            run(&call, stack + 1, Py_SIZE(call.signature));
        else
            run_many(&call);
        saved = errno_after ? *errno_after : fs_py_cffi_restore_errno(real_errno);
        fs_py_running_end(&call.running);
    }
    fs_py_leave(&entry);
    *real_errno = saved;
}
