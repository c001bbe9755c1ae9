/* SPDX-License-Identifier: MIT */
/* arity.c - whether a Python function can take as many arguments as C passes
 *
 * A wrong number shows at the first call from C, when no caller can get the exception. For
 * functions and methods that are written in Python it can be known when the callback is made. Of
 * any other callable nothing is said: it may take whatever it likes.
 */
#include "py/callback.h"

static Py_ssize_t length(PyObject *tuple)
{
    return tuple ? PyTuple_GET_SIZE(tuple) : 0;
}

/* Arguments that are to be named, and have no default: C names none. */
static Py_ssize_t unnamed(PyObject *function, const PyCodeObject *code)
{
    PyObject *defaults = PyFunction_GET_KW_DEFAULTS(function);
    Py_ssize_t given = defaults ? PyDict_GET_SIZE(defaults) : 0;
    return code->co_kwonlyargcount > given ? code->co_kwonlyargcount - given : 0;
}

int fs_py_check_arity(PyObject *function, fs_py_signature *signature)
{
    Py_ssize_t passed = Py_SIZE(signature);
    PyObject *plain = PyMethod_Check(function) ? PyMethod_GET_FUNCTION(function) : function;
    if (!PyFunction_Check(plain))
        return 0;
    const PyCodeObject *code = (const PyCodeObject *)PyFunction_GET_CODE(plain);
    Py_ssize_t bound = plain != function; /* a method's `self` */
    Py_ssize_t most = code->co_argcount - bound;
    Py_ssize_t least = most - length(PyFunction_GET_DEFAULTS(plain));
    bool more = (code->co_flags & CO_VARARGS) != 0;
    Py_ssize_t names = unnamed(plain, code);
    if (most < 0 && !more)
        PyErr_Format(PyExc_TypeError, "%R passes itself, but its function takes no argument",
                     function);
    else if (names)
        PyErr_Format(PyExc_TypeError,
                     "C passes no argument by name, but %R needs %zd keyword argument%s", function,
                     names, names == 1 ? "" : "s");
    else if (passed < least || (passed > most && !more))
        PyErr_Format(PyExc_TypeError, "'%U' passes %zd argument%s, but %R takes %s%zd",
                     signature->text, passed, passed == 1 ? "" : "s", function,
                     more || (passed < least && least < most) ? "at least "
                     : least < most                           ? "at most "
                                                              : "",
                     passed < least ? least : most);
    else
        return 0;
    return -1;
}
