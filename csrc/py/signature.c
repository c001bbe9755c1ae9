/* SPDX-License-Identifier: MIT */
/* signature.c - a C function type, with one converter chosen for each argument
 *
 * Signature(text, family, swap_errno, shape, items, ctype): `items` holds, first for the result and
 * then for each argument, (code, type): the letter that chooses the converter and the cffi ctype
 * or ctypes class that it works for; `ctype` is cffi's type of the pointer or,
 * for ctypes types, the tuple of helpers that convert_ctypes.c needs. Made by
 * ffi_static/_signature.py, which knows the types; immutable, and shared by all callbacks of the
 * same type.
 */
#include "py.h"

static int choose(struct fs_py_conv *conv, int family, PyObject *item, ffi_type *type,
                  PyObject *helpers)
{
    int code;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "an item of a signature is (code, type)");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "CO:item", &code, &conv->type))
        return -1;
    conv->helpers = helpers;
    conv->ffi = type;
    conv->size = type->size;
    return family == FS_PY_CFFI ? fs_py_conv_cffi(conv, code) : fs_py_conv_ctypes(conv, code);
}

static PyObject *signature_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *text, *capsule, *items, *ctype;
    int family, swap_errno;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "UipOO!O:Signature", &text, &family, &swap_errno, &capsule,
                          &PyTuple_Type, &items, &ctype))
        return NULL;
    struct fs_py_shape *shape = PyCapsule_GetPointer(capsule, "ffi_static.shape");
    if (!shape)
        return NULL;
    Py_ssize_t count = (Py_ssize_t)shape->cif.nargs;
    if (PyTuple_GET_SIZE(items) != count + 1) {
        PyErr_SetString(PyExc_ValueError, "items and shape differ in length");
        return NULL;
    }
    if (family == FS_PY_CTYPES && fs_py_ctypes_check(ctype) < 0)
        return NULL;
    fs_py_signature *self = (fs_py_signature *)type->tp_alloc(type, count);
    if (!self)
        return NULL;
    Py_INCREF(text);
    Py_INCREF(items);
    Py_INCREF(ctype);
    self->ctype = ctype;
    self->text = text;
    self->types = items;
    self->shape = shape;
    self->family = family;
    self->swap_errno = swap_errno;
    int status = choose(&self->result, family, PyTuple_GET_ITEM(items, 0), shape->cif.rtype, ctype);
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = choose(&self->arguments[i], family, PyTuple_GET_ITEM(items, i + 1),
                        shape->types[i], ctype);
    if (status < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int signature_traverse(fs_py_signature *self, visitproc visit, void *arg)
{
    Py_VISIT(self->types);
    Py_VISIT(self->ctype);
    return 0;
}

/* No tp_clear: a signature is immutable, and `types` is the only owner of what its converters
 * point at. A cycle through it goes through a callback or a class, and is broken there. */
static void signature_dealloc(fs_py_signature *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->text);
    Py_XDECREF(self->types);
    Py_XDECREF(self->ctype);
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

static PyObject *signature_ctype(fs_py_signature *self, void *unused)
{
    (void)unused;
    Py_INCREF(self->ctype);
    return self->ctype;
}

static PyGetSetDef signature_getset[] = {
    {"ctype", (getter)signature_ctype, NULL, "cffi's function pointer type, or ctypes' helpers.",
     NULL},
    {"text", (getter)signature_text, NULL, "The signature as C text.", NULL},
    {"items", (getter)signature_items, NULL, "(code, type) of the result and arguments.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject fs_py_signature_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ffi_static._lib.Signature",
    .tp_basicsize = offsetof(fs_py_signature, arguments),
    .tp_itemsize = sizeof(struct fs_py_conv),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Signature(text, family, swap_errno, shape, items, ctype): a C function type.",
    .tp_new = signature_new,
    .tp_traverse = (traverseproc)signature_traverse,
    .tp_dealloc = (destructor)signature_dealloc,
    .tp_free = PyObject_GC_Del,
    .tp_repr = (reprfunc)signature_repr,
    .tp_getset = signature_getset,
};
