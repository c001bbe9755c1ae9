/* SPDX-License-Identifier: MIT */
/* signature.c - a C function type, with one converter chosen for each argument
 *
 * Signature(text, family, swap_errno, shape, items, ctype, helpers): `items` holds (code, type),
 * first for the result and then for each argument. The code is the letter that chooses the
 * converter, and the type is the cffi ctype or ctypes class that the converter works for. An
 * argument that is given as what it points at is ('*', type pointed at), and of a number its letter
 * in shape.c. `ctype` is cffi's type of the function pointer, None for ctypes types; `helpers` is
 * the tuple that convert_ctypes.c needs, None for cffi's types. The Python side, which knows the
 * types, makes signatures.
 */
#include "py/signature.h"

static int choose(struct fs_py_conv *conv, enum fs_py_family family, PyObject *item, ffi_type *type,
                  PyObject *helpers)
{
    int code, number = 0;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "an item of a signature is (code, type)");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "CO|C:item", &code, &conv->type, &number))
        return -1;
    conv->helpers = helpers;
    conv->ffi = number ? fs_py_scalar((Py_UCS4)number) : type;
    if (!conv->ffi) {
        PyErr_SetString(PyExc_TypeError, "no type has this letter");
        return -1;
    }
    conv->size = conv->ffi->size;
    if (code == '*') {
        fs_py_conv_pointed(conv, number);
        return 0;
    }
    if (code == 'n')
        return fs_py_conv_number(conv, family);
    if (family == FS_PY_CFFI)
        fs_py_conv_cffi(conv, code);
    else
        fs_py_conv_ctypes(conv, code);
    return 0;
}

/* New reference; NULL for None. */
static PyObject *given(PyObject *value)
{
    if (value == Py_None)
        return NULL;
    Py_INCREF(value);
    return value;
}

static PyObject *signature_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *text, *capsule, *items, *ctype, *helpers;
    int family, swap_errno;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "UipOO!OO:Signature", &text, &family, &swap_errno, &capsule,
                          &PyTuple_Type, &items, &ctype, &helpers))
        return NULL;
    struct fs_py_shape *shape = PyCapsule_GetPointer(capsule, "ffi_static.shape");
    if (!shape)
        return NULL;
    Py_ssize_t count = (Py_ssize_t)shape->cif.nargs;
    if (PyTuple_GET_SIZE(items) != count + 1) {
        PyErr_SetString(PyExc_ValueError, "items and shape differ in length");
        return NULL;
    }
    if (family == FS_PY_CTYPES && fs_py_ctypes_check(helpers) < 0)
        return NULL;
    fs_py_signature *self = (fs_py_signature *)type->tp_alloc(type, count);
    if (!self)
        return NULL;
    Py_INCREF(text);
    Py_INCREF(items);
    self->ctype = given(ctype);
    self->helpers = given(helpers);
    self->text = text;
    self->types = items;
    self->shape = shape;
    self->family = family == FS_PY_CTYPES ? FS_PY_CTYPES : FS_PY_CFFI;
    self->swap_errno = swap_errno;
    int status = choose(&self->result, self->family, PyTuple_GET_ITEM(items, 0), shape->cif.rtype,
                        self->helpers);
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = choose(&self->arguments[i], self->family, PyTuple_GET_ITEM(items, i + 1),
                        shape->types[i], self->helpers);
    if (status < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int signature_traverse(fs_py_signature *self, visitproc visit, void *arg)
{
    Py_VISIT(self->types);
    Py_VISIT(self->ctype);
    Py_VISIT(self->helpers);
    return 0;
}

/* No tp_clear: a signature is immutable, and `types` is the only owner of what its converters
 * point at. A cycle through a signature goes through a callback or a class, and is broken there. */
static void signature_dealloc(fs_py_signature *self)
{
    PyObject_GC_UnTrack(self);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
        Py_XDECREF(self->arguments[i].unused);
    Py_XDECREF(self->text);
    Py_XDECREF(self->types);
    Py_XDECREF(self->ctype);
    Py_XDECREF(self->helpers);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *signature_repr(fs_py_signature *self)
{
    return PyUnicode_FromFormat("<ffi_static signature '%U'>", self->text);
}

static PyObject *signature_text(fs_py_signature *self, void *unused)
{
    (void)unused;
    Py_INCREF(self->text);
    return self->text;
}

static PyObject *signature_items(fs_py_signature *self, void *unused)
{
    (void)unused;
    Py_INCREF(self->types);
    return self->types;
}

static PyObject *or_none(PyObject *value)
{
    PyObject *result = value ? value : Py_None;
    Py_INCREF(result);
    return result;
}

static PyObject *signature_ctype(fs_py_signature *self, void *unused)
{
    (void)unused;
    return or_none(self->ctype);
}

static PyObject *signature_helpers(fs_py_signature *self, void *unused)
{
    (void)unused;
    return or_none(self->helpers);
}

static PyGetSetDef signature_getset[] = {
    {"ctype", (getter)signature_ctype, NULL, "cffi's function pointer type, or None.", NULL},
    {"helpers", (getter)signature_helpers, NULL, "What ctypes' converters need, or None.", NULL},
    {"text", (getter)signature_text, NULL, "The signature as C text.", NULL},
    {"items", (getter)signature_items, NULL, "(code, type) of the result and arguments.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject fs_py_signature_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ffi_static._lib.Signature",
    .tp_basicsize = offsetof(fs_py_signature, arguments),
    .tp_itemsize = sizeof(struct fs_py_conv),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc =
        "Signature(text, family, swap_errno, shape, items, ctype, helpers): a C function type.",
    .tp_new = signature_new,
    .tp_traverse = (traverseproc)signature_traverse,
    .tp_dealloc = (destructor)signature_dealloc,
    .tp_free = PyObject_GC_Del,
    .tp_repr = (reprfunc)signature_repr,
    .tp_getset = signature_getset,
};
