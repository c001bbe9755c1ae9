/* SPDX-License-Identifier: MIT */
/* convert.c - numbers, which ctypes and cffi read and write in the same way
 *
 * A C number becomes an int or a float in both. On the way back the two differ for a value that is
 * out of range or of another type: cffi raises, ctypes masks. So the fast ways here take an exact
 * int that is in range, or an exact float, and leave everything else to the family's own code.
 */
#include "py/convert.h"

/* cffi's own exception for p[0]. */
static FS_COLD PyObject *points_nowhere(const struct fs_py_conv *conv)
{
    PyObject *name = PyObject_GetAttrString(conv->type, "cname");
    if (name)
        PyErr_Format(PyExc_RuntimeError, "cannot dereference null pointer from cdata '%U *'", name);
    Py_XDECREF(name);
    return NULL;
}

#define INTEGER(name, ctype, make)                                                                 \
    static PyObject *from_##name(struct fs_py_conv *conv, void *data)                              \
    {                                                                                              \
        (void)conv;                                                                                \
        return make(*(ctype *)data);                                                               \
    }                                                                                              \
    static PyObject *from_pointed_##name(struct fs_py_conv *conv, void *data)                      \
    {                                                                                              \
        const ctype *at = *(ctype **)data;                                                         \
        return fs_likely(at != NULL) ? make(*at) : points_nowhere(conv);                           \
    }
INTEGER(i8, int8_t, PyLong_FromLong)
INTEGER(u8, uint8_t, PyLong_FromLong)
INTEGER(i16, int16_t, PyLong_FromLong)
INTEGER(u16, uint16_t, PyLong_FromLong)
INTEGER(i32, int32_t, PyLong_FromLong)
INTEGER(u32, uint32_t, PyLong_FromUnsignedLong)
INTEGER(i64, int64_t, PyLong_FromLongLong)
INTEGER(u64, uint64_t, PyLong_FromUnsignedLongLong)
INTEGER(float, float, PyFloat_FromDouble)
INTEGER(double, double, PyFloat_FromDouble)

#define SLOW(family, conv, ret, value)                                                             \
    ((family) == FS_PY_CFFI ? fs_py_cffi_to_c(conv, ret, value)                                    \
                            : fs_py_ctypes_to_c(conv, ret, value))

/* Signed types of up to 64 bits and unsigned ones of up to 32: all fit a long long. The whole
 * ffi_arg is written, as cffi does, for callers that look at more bits than the type has. */
#define TO_SMALL(name, ctype, family)                                                              \
    static int to_##name##_##family(const struct fs_py_conv *conv, void *ret, PyObject *value)     \
    {                                                                                              \
        if (PyLong_CheckExact(value)) {                                                            \
            int overflow = 0;                                                                      \
            long long x;                                                                           \
            if (!fs_py_compact(value, &x))                                                         \
                x = PyLong_AsLongLongAndOverflow(value, &overflow);                                \
            if (!overflow && x == (ctype)x) {                                                      \
                if (sizeof(ctype) > sizeof(ffi_sarg)) /* 64 bits on a 32-bit machine */            \
                    *(ctype *)ret = (ctype)x;                                                      \
                else                                                                               \
                    *(ffi_sarg *)ret = (ffi_sarg)x;                                                \
                return 0;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return SLOW(family, conv, ret, value);                                                     \
    }
#define TO_FLOATING(name, ctype, family)                                                           \
    static int to_##name##_##family(const struct fs_py_conv *conv, void *ret, PyObject *value)     \
    {                                                                                              \
        if (PyFloat_CheckExact(value)) {                                                           \
            *(ctype *)ret = (ctype)PyFloat_AS_DOUBLE(value);                                       \
            return 0;                                                                              \
        }                                                                                          \
        return SLOW(family, conv, ret, value);                                                     \
    }
#define BOTH(kind, name, ctype) kind(name, ctype, FS_PY_CFFI) kind(name, ctype, FS_PY_CTYPES)
BOTH(TO_SMALL, i8, int8_t)
BOTH(TO_SMALL, u8, uint8_t)
BOTH(TO_SMALL, i16, int16_t)
BOTH(TO_SMALL, u16, uint16_t)
BOTH(TO_SMALL, i32, int32_t)
BOTH(TO_SMALL, u32, uint32_t)
BOTH(TO_SMALL, i64, int64_t)
BOTH(TO_FLOATING, float, float)
BOTH(TO_FLOATING, double, double)

/* An unsigned 64-bit int. cffi wants it in range; ctypes masks any int to the type's width. */
static int to_u64_FS_PY_CFFI(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    long long x;
    if (!PyLong_CheckExact(value) || !fs_py_compact(value, &x) || x < 0)
        return fs_py_cffi_to_c(conv, ret, value);
    *(unsigned long long *)ret = (unsigned long long)x;
    return 0;
}

static int to_u64_FS_PY_CTYPES(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    if (!PyLong_CheckExact(value))
        return fs_py_ctypes_to_c(conv, ret, value);
    *(unsigned long long *)ret = PyLong_AsUnsignedLongLongMask(value);
    return 0;
}

#define ENTRY(ffi, name)                                                                           \
    {                                                                                              \
        FFI_TYPE_##ffi, from_##name, from_pointed_##name,                                          \
        {                                                                                          \
            to_##name##_FS_PY_CFFI, to_##name##_FS_PY_CTYPES                                       \
        }                                                                                          \
    }
static const struct {
    int type;
    fs_py_from_c from_c, from_pointed;
    fs_py_to_c to_c[2];
} numbers[] = {
    ENTRY(SINT8, i8),    ENTRY(UINT8, u8),      ENTRY(SINT16, i16), ENTRY(UINT16, u16),
    ENTRY(SINT32, i32),  ENTRY(UINT32, u32),    ENTRY(SINT64, i64), ENTRY(UINT64, u64),
    ENTRY(FLOAT, float), ENTRY(DOUBLE, double),
};

int fs_py_conv_number(struct fs_py_conv *conv, enum fs_py_family family)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].type == conv->ffi->type) {
            conv->from_c = numbers[i].from_c;
            conv->to_c = numbers[i].to_c[family];
            return 0;
        }
    PyErr_SetString(PyExc_SystemError, "ffi_static: a number of an unknown size");
    return -1;
}

static PyObject *from_pointed(struct fs_py_conv *conv, void *data)
{
    char *at = *(char **)data;
    return at ? fs_py_cffi_from_memory(at, conv->type) : points_nowhere(conv);
}

void fs_py_conv_pointed(struct fs_py_conv *conv, bool number)
{
    conv->from_c = from_pointed;
    for (size_t i = 0; number && i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].type == conv->ffi->type)
            conv->from_c = numbers[i].from_pointed;
}
