/* SPDX-License-Identifier: MIT */
/* shape.c - libffi's description of a signature, from the one that the Python side writes
 *
 * A description is a one-character string or, for a struct, a tuple:
 *
 *     b B  h H  i I  q Q   int8 uint8 ... int64 uint64        f d g   float double long double
 *     p  pointer           v  void (results only)             F D G   their complex forms
 *     c  char              w  wchar_t     signed or not, as the C compiler has them
 *     (size, alignment, (member, ...))    members are descriptions, arrays written out
 *
 * Types and shapes live until the process ends; the Python side keeps one per description.
 */
#include "py/shape.h"

#include "ffi_static.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#if !defined(FFI_TARGET_HAS_COMPLEX_TYPE) && (defined(__riscv) || defined(__loongarch__))
/* libffi has no complex types there, and their psABIs pass a complex number as a struct of its two
 * parts. */
#define COMPLEX(part, type)                                                                        \
    static ffi_type *part##_twice[] = {&ffi_type_##part, &ffi_type_##part, NULL};                  \
    static ffi_type complex_##part = {2 * sizeof(type), _Alignof(type), FFI_TYPE_STRUCT,           \
                                      part##_twice}
COMPLEX(float, float);
COMPLEX(double, double);
COMPLEX(longdouble, long double);
#define ffi_type_complex_float complex_float
#define ffi_type_complex_double complex_double
#define ffi_type_complex_longdouble complex_longdouble
#define FS_COMPLEX
#elif defined(FFI_TARGET_HAS_COMPLEX_TYPE)
#define FS_COMPLEX
#endif

ffi_type *fs_py_scalar(Py_UCS4 code)
{
    switch (code) {
    case 'b':
        return &ffi_type_sint8;
    case 'B':
        return &ffi_type_uint8;
    case 'h':
        return &ffi_type_sint16;
    case 'H':
        return &ffi_type_uint16;
    case 'i':
        return &ffi_type_sint32;
    case 'I':
        return &ffi_type_uint32;
    case 'q':
        return &ffi_type_sint64;
    case 'Q':
        return &ffi_type_uint64;
    case 'f':
        return &ffi_type_float;
    case 'd':
        return &ffi_type_double;
    case 'g':
        return &ffi_type_longdouble;
    case 'c': /* the callee extends a result on most architectures, and C trusts it */
        return CHAR_MIN < 0 ? &ffi_type_sint8 : &ffi_type_uint8;
    case 'w':
        return WCHAR_MIN < 0 ? &ffi_type_sint32 : &ffi_type_uint32;
    case 'p':
        return &ffi_type_pointer;
    case 'v':
        return &ffi_type_void;
#ifdef FS_COMPLEX
    case 'F':
        return &ffi_type_complex_float;
    case 'D':
        return &ffi_type_complex_double;
    case 'G':
        return &ffi_type_complex_longdouble;
#endif
    default:
        return NULL;
    }
}

static ffi_type *type_of(PyObject *description);

static ffi_type *aggregate(PyObject *members)
{
    Py_ssize_t n = PyTuple_GET_SIZE(members);
    ffi_type *type = calloc(1, sizeof *type + ((size_t)n + 1) * sizeof(ffi_type *));
    if (!type) {
        PyErr_NoMemory();
        return NULL;
    }
    type->type = FFI_TYPE_STRUCT;
    type->elements = (ffi_type **)(type + 1);
    for (Py_ssize_t i = 0; i < n; i++) {
        type->elements[i] = type_of(PyTuple_GET_ITEM(members, i));
        if (!type->elements[i]) {
            free(type);
            return NULL;
        }
    }
    return type;
}

/* The libffi type that a description names. NULL with an exception. Immortal. */
static ffi_type *type_of(PyObject *description)
{
    if (PyUnicode_Check(description) && PyUnicode_GET_LENGTH(description) == 1) {
        ffi_type *type = fs_py_scalar(PyUnicode_READ_CHAR(description, 0));
        if (!type)
            PyErr_Format(PyExc_NotImplementedError, "libffi has no type %R on this architecture",
                         description);
        return type;
    }
    Py_ssize_t size, alignment;
    PyObject *members;
    if (!PyTuple_Check(description)) {
        PyErr_Format(PyExc_TypeError, "not a description of a C type: %R", description);
        return NULL;
    }
    if (!PyArg_ParseTuple(description, "nnO!:description", &size, &alignment, &PyTuple_Type,
                          &members))
        return NULL;
    ffi_type *type = aggregate(members);
    if (type) {
        type->size = (size_t)size;
        type->alignment = (unsigned short)alignment;
    }
    return type;
}

PyObject *fs_py_layout(PyObject *module, PyObject *members)
{
    (void)module;
    if (!PyTuple_Check(members)) {
        PyErr_SetString(PyExc_TypeError, "layout() takes a tuple of descriptions");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(members);
    ffi_type *type = aggregate(members);
    size_t *offsets = type ? calloc((size_t)n + 1, sizeof *offsets) : NULL;
    PyObject *result = NULL, *list = NULL;
    if (!offsets) {
        if (type)
            PyErr_NoMemory();
    } else if (ffi_get_struct_offsets(FFI_DEFAULT_ABI, type, offsets) != FFI_OK) {
        PyErr_SetString(PyExc_TypeError, "libffi cannot lay out this struct");
    } else if ((list = PyTuple_New(n)) != NULL) {
        for (Py_ssize_t i = 0; i < n; i++)
            PyTuple_SET_ITEM(list, i, PyLong_FromSize_t(offsets[i]));
        result = Py_BuildValue("nnN", (Py_ssize_t)type->size, (Py_ssize_t)type->alignment, list);
    }
    free(offsets);
    free(type);
    return result;
}

static struct fs_py_shape *new_shape(ffi_type *result, ffi_type **arguments, unsigned count)
{
    struct fs_py_shape *shape = calloc(1, sizeof *shape + count * sizeof(ffi_type *));
    if (!shape) {
        PyErr_NoMemory();
        return NULL;
    }
    if (count)
        memcpy(shape->types, arguments, count * sizeof(ffi_type *));
    ffi_status status = ffi_prep_cif(&shape->cif, FFI_DEFAULT_ABI, count, result, shape->types);
    if (status != FFI_OK) {
        free(shape);
        PyErr_Format(PyExc_TypeError, "libffi refuses this signature (ffi_prep_cif: %d)",
                     (int)status);
        return NULL;
    }
    shape->result_size = result->size < sizeof(ffi_arg) ? sizeof(ffi_arg) : result->size;
    if (result == &ffi_type_void)
        shape->result_size = 0;
    return shape;
}

PyObject *fs_py_shape(PyObject *module, PyObject *args)
{
    PyObject *result, *arguments;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!:shape", &result, &PyTuple_Type, &arguments))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    if (count > (Py_ssize_t)FFI_STATIC_MAX_ARGS)
        return PyErr_Format(PyExc_TypeError, "%zd arguments; a callback takes at most %u", count,
                            FFI_STATIC_MAX_ARGS);
    ffi_type *result_type = type_of(result);
    ffi_type **types = PyMem_Calloc((size_t)count + 1, sizeof *types);
    struct fs_py_shape *made = NULL;
    Py_ssize_t i = 0;
    if (!types)
        PyErr_NoMemory();
    else if (result_type)
        while (i < count && (types[i] = type_of(PyTuple_GET_ITEM(arguments, i))) != NULL)
            i++;
    if (types && result_type && i == count)
        made = new_shape(result_type, types, (unsigned)count);
    PyMem_Free(types);
    return made ? PyCapsule_New(made, "ffi_static.shape", NULL) : NULL;
}
