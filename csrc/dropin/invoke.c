/* SPDX-License-Identifier: MIT */
/* invoke.c - cffi's function types as they lie in memory, and a call that uses them
 *
 * cffi exports its converters (py/convert_cffi.c), and they take the C types from the function
 * type. A result is converted here only when its class is a plain one: then no code of the program
 * runs when the conversion fails, and cffi's handler can try again and say why.
 *
 * Fails when: the layout is another one, or this is not the cffi whose converters we have
 * (no_turbo says what); cffi's handler then does the work.
 */
#include "dropin/invoke.h"

#include "dropin/call.h"
#include "py/compat.h"
#include "py/convert.h"

#include <string.h>

enum { ON_STACK = 24 }; /* arguments */

/* The beginning of cffi's CTypeDescrObject. */
struct ctype {
    PyObject_VAR_HEAD PyObject *item;
    PyObject *stuff; /* of a function type: (convention, result, argument, ...) */
};
enum { RESULT = 1, ARGUMENTS = 2 };

enum { TYPE, FUNCTION, ERROR_RESULT }; /* of cffi's info */

static PyObject *signature_of(PyObject *info)
{
    return ((const struct ctype *)PyTuple_GET_ITEM(info, TYPE))->stuff;
}

/* ---- handing on what the function gave --------------------------------------------------- */

/* What cffi's handler is to get in this thread, instead of a call. */
struct handed {
    PyObject *callable, *result; /* or, without a result, */
    PyObject *exception[3];
    bool taken;
};
static FS_PY_THREAD_LOCAL struct handed *handed;

PyObject *fs_invoke_hook(PyObject *callable, PyObject *args, PyObject *kwargs)
{
    struct handed *h = handed;
    if (fs_likely(!h || h->callable != callable))
        return PyObject_Call(callable, args, kwargs);
    handed = NULL;
    h->taken = true;
    if (!h->result)
        PyErr_Restore(h->exception[0], h->exception[1], h->exception[2]);
    return h->result;
}

/* Is PyObject_Call() still ours? */
static bool is_bound(const struct fs_dropin *d)
{
    return fs_dropin_is_bound(d, "PyObject_Call");
}

/* Somebody else has rebound the call while the function ran, and cffi's handler would run it again.
 * So the exception is reported here, and onerror is not called. */
static FS_COLD void give_up(const ffi_cif *cif, void *ret, PyObject *info, const PyObject *result)
{
    PyObject *error = PyTuple_GET_ITEM(info, ERROR_RESULT);
    if (result)
        PyErr_SetString(PyExc_RuntimeError, "ffi_static: the result of a cffi callback is lost: "
                                            "_cffi_backend's import PyObject_Call was rebound");
    if (cif->rtype->type != FFI_TYPE_VOID && PyBytes_CheckExact(error))
        memcpy(ret, PyBytes_AS_STRING(error), (size_t)PyBytes_GET_SIZE(error));
    PyErr_WriteUnraisable(PyTuple_GET_ITEM(info, FUNCTION));
}

/* Have cffi's handler do the rest with `result`, or with the exception that is set. */
static FS_COLD bool hand_on(const struct fs_invoke *in, void *ret, void **args, PyObject *result)
{
    const struct fs_dropin *d = fs_dropin_that_holds((void *)in->handler);
    if (fs_unlikely(!d || !is_bound(d))) {
        give_up(in->cif, ret, in->info, result);
        return false;
    }
    struct handed mine = {.callable = PyTuple_GET_ITEM(in->info, FUNCTION), .result = result};
    struct handed *before = handed;
    if (!result)
        PyErr_Fetch(&mine.exception[0], &mine.exception[1], &mine.exception[2]);
    Py_XINCREF(result);
    handed = &mine;
    in->handler(in->cif, ret, args, in->info);
    handed = before;
    if (mine.taken)
        return true;
    Py_XDECREF(result); /* no memory for the arguments, of which the handler has told */
    for (int i = 0; i < 3; i++)
        Py_XDECREF(mine.exception[i]);
    return false;
}

/* A call in the middle of another one, whose handler has not yet taken what it is handed: Python
 * may run anything when the handler makes the arguments. */
void fs_invoke_theirs(const struct fs_invoke *in, void *ret, void **args)
{
    struct handed *before = handed;
    handed = NULL;
    in->handler(in->cif, ret, args, in->info);
    handed = before;
}

/* ---- the first call ----------------------------------------------------------------------- */

/* Is this the type of a number, or no result at all? */
static bool is_plain(PyObject *ctype)
{
    PyObject *kind = PyObject_GetAttrString(ctype, "kind");
    const char *text = kind && PyUnicode_Check(kind) ? PyUnicode_AsUTF8(kind) : NULL;
    bool plain = text && (strcmp(text, "primitive") == 0 || strcmp(text, "enum") == 0 ||
                          strcmp(text, "void") == 0);
    PyErr_Clear();
    Py_XDECREF(kind);
    return plain;
}

static bool is_signed(const ffi_type *type)
{
    return type->type == FFI_TYPE_SINT8 || type->type == FFI_TYPE_SINT16 ||
           type->type == FFI_TYPE_SINT32 || type->type == FFI_TYPE_SINT64;
}

/* Does this value fit an integer of this type? */
static inline bool fits(const ffi_type *type, long long x)
{
    switch (type->type) {
    case FFI_TYPE_SINT8:
        return x == (int8_t)x;
    case FFI_TYPE_UINT8:
        return x == (uint8_t)x;
    case FFI_TYPE_SINT16:
        return x == (int16_t)x;
    case FFI_TYPE_UINT16:
        return x == (uint16_t)x;
    case FFI_TYPE_SINT32:
        return x == (int32_t)x;
    case FFI_TYPE_UINT32:
        return x == (uint32_t)x;
    case FFI_TYPE_SINT64:
        return sizeof(ffi_arg) == 8;
    case FFI_TYPE_UINT64:
        return sizeof(ffi_arg) == 8 && x >= 0;
    default:
        return false;
    }
}

/* What cffi makes of this int, as a value of the type and back; -2 when it is no int. */
static long to_and_back(PyObject *ctype, long x)
{
    char room[32] = {0};
    PyObject *number = PyLong_FromLong(x), *back = NULL;
    if (number && fs_py_cffi_to_memory(room, ctype, number) == 0)
        back = fs_py_cffi_from_memory(room, ctype);
    long value = back && PyLong_CheckExact(back) ? PyLong_AsLong(back) : -2;
    PyErr_Clear();
    Py_XDECREF(number);
    Py_XDECREF(back);
    return value;
}

/* Is the type an integer, and no character and no _Bool? */
static bool is_integer(PyObject *ctype, const ffi_type *type)
{
    return fits(type, 5) && to_and_back(ctype, 5) == 5 &&
           to_and_back(ctype, -1) == (is_signed(type) ? -1 : -2);
}

bool fs_invoke_learn(const struct fs_dropin *d, struct fs_invoke *in)
{
    PyObject *signature = signature_of(in->info);
    bool ours = !fs_py_load(&d->no_turbo) && is_bound(d) && in->cif->nargs <= ON_STACK &&
                PyTuple_CheckExact(signature) &&
                PyTuple_GET_SIZE(signature) == ARGUMENTS + (Py_ssize_t)in->cif->nargs &&
                is_plain(PyTuple_GET_ITEM(signature, RESULT));
    in->integer = ours && is_integer(PyTuple_GET_ITEM(signature, RESULT), in->cif->rtype);
    return ours;
}

/* ---- each call ------------------------------------------------------------------------------ */

/* Store a result whose class is a plain one. `integer`: the type is one. False: cffi's handler has
 * to. */
static inline bool give(PyObject *ctype, const ffi_type *type, bool integer, void *ret,
                        PyObject *result)
{
    long long x;
    if (integer && PyLong_CheckExact(result) && fs_py_compact(result, &x) && fits(type, x)) {
        *(ffi_sarg *)ret = (ffi_sarg)x;
        return true;
    }
    if (type->type == FFI_TYPE_VOID)
        return result == Py_None;
    if (!PyLong_CheckExact(result) && !PyFloat_CheckExact(result) && !PyBool_Check(result))
        return false;
    memset(ret, 0, type->size < sizeof(ffi_arg) ? sizeof(ffi_arg) : type->size);
    if (fs_unlikely(fs_py_cffi_to_memory(ret, ctype, result) < 0)) {
        PyErr_Clear();
        return false;
    }
    fs_py_widen(type, ret);
    return true;
}

/* Store the arguments in argv. False: one of them does not convert. */
static FS_ALWAYS_INLINE bool convert(PyObject *signature, Py_ssize_t count, void **args,
                                     PyObject **argv)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        argv[i] = fs_py_cffi_from_memory(args[i], PyTuple_GET_ITEM(signature, ARGUMENTS + i));
        if (fs_unlikely(!argv[i])) {
            PyErr_Clear();
            while (i-- > 0)
                Py_DECREF(argv[i]);
            return false;
        }
    }
    return true;
}

void fs_invoke_run(const struct fs_invoke *in, void *ret, void **args)
{
    PyObject *stack[ON_STACK + 1], **argv = stack + 1;
    PyObject *info = in->info, *signature = signature_of(info);
    const Py_ssize_t count = (Py_ssize_t)in->cif->nargs;
    int *real = &errno, saved = *real;
    if (fs_unlikely(!convert(signature, count, args, argv))) {
        *real = saved;
        fs_invoke_theirs(in, ret, args);
        return;
    }
    int *theirs = fs_py_cffi_errno(real, saved);
    PyObject *result = PyObject_Vectorcall(PyTuple_GET_ITEM(info, FUNCTION), argv,
                                           (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (fs_unlikely(!result || !give(PyTuple_GET_ITEM(signature, RESULT), in->cif->rtype,
                                     in->integer, ret, result))) {
        *real = theirs ? *theirs : fs_py_cffi_restore_errno(real);
        hand_on(in, ret, args, result);
    }
    for (Py_ssize_t i = count; i-- > 0;) /* from the end, as a tuple of arguments goes */
        Py_DECREF(argv[i]);
    Py_XDECREF(result);
    *real = theirs ? *theirs : fs_py_cffi_restore_errno(real);
}

/* ---- the probe ------------------------------------------------------------------------------ */

struct search {
    PyObject *wanted;
    bool found;
};

static int look(PyObject *object, void *search)
{
    struct search *s = search;
    s->found |= object == s->wanted;
    return 0;
}

/* The signature must be an object that the function type owns, and hold what cffi tells. */
static bool is_right(PyObject *ctype)
{
    struct search search = {((const struct ctype *)ctype)->stuff, false};
    if (!search.wanted || !Py_TYPE(ctype)->tp_traverse ||
        Py_TYPE(ctype)->tp_basicsize < (Py_ssize_t)sizeof(struct ctype))
        return false;
    Py_TYPE(ctype)->tp_traverse(ctype, look, &search);
    if (!search.found || !PyTuple_CheckExact(search.wanted) || PyTuple_GET_SIZE(search.wanted) != 5)
        return false;
    PyObject *args = PyObject_GetAttrString(ctype, "args");
    PyObject *result = PyObject_GetAttrString(ctype, "result");
    bool right = args && PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) == 3 &&
                 PyTuple_GET_ITEM(search.wanted, RESULT) == result;
    for (Py_ssize_t i = 0; right && i < 3; i++)
        right = PyTuple_GET_ITEM(args, i) == PyTuple_GET_ITEM(search.wanted, ARGUMENTS + i);
    PyErr_Clear();
    Py_XDECREF(args);
    Py_XDECREF(result);
    return right;
}

/* Does the handler take what it is handed? */
static bool takes(const struct fs_invoke *in, void **args)
{
    union {
        ffi_sarg whole;
        ffi_arg room;
    } ret = {0};
    PyObject *number = PyLong_FromLong(-12);
    bool taken = number && hand_on(in, &ret, args, number);
    Py_XDECREF(number);
    return taken && ret.whole == -12;
}

void fs_invoke_check(struct fs_dropin *d, const struct fs_invoke *in, void **args)
{
    if (!fs_object_holds(&d->object, (void *)fs_py_cffi_from_memory))
        fs_py_store(&d->no_turbo,
                    "it is another cffi than the one whose converters this package has");
    else if (!is_right(PyTuple_GET_ITEM(in->info, TYPE)))
        fs_py_store(&d->no_turbo, "its function types have another layout");
    else if (!is_bound(d))
        fs_py_store(&d->no_turbo, "it does not call functions by PyObject_Call()");
    else if (!takes(in, args))
        fs_py_store(&d->no_turbo, "its handler calls functions in another way");
}
