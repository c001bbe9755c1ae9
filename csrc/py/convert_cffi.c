/* SPDX-License-Identifier: MIT */
/* convert_cffi.c - arguments and results exactly as cffi's own callbacks convert them
 *
 * cffi hands a table of its converters to each module that it generates, and this extension is
 * such a module. fs_py_cffi_table() is the table; cffi's _cffi_include.h fixes its indices.
 */
#include "py/convert.h"

#include <link.h>
#include <string.h>

/* defined in the generated part of the module, see csrc/py/extension.py */
extern void *const *fs_py_cffi_table(void);

enum { RESTORE_ERRNO = 13, SAVE_ERRNO = 14, FROM_C = 16, TO_C = 17 };

PyObject *(*fs_py_cffi_from_memory)(char *data, PyObject *type);
int (*fs_py_cffi_to_memory)(char *data, PyObject *type, PyObject *value);
static void (*restore_errno)(void);
static void (*save_errno)(void);

int fs_py_cffi_init_table(void)
{
    void *const *table = fs_py_cffi_table();
    if (!table[RESTORE_ERRNO] || !table[SAVE_ERRNO] || !table[FROM_C] || !table[TO_C]) {
        PyErr_SetString(PyExc_ImportError,
                        "ffi_static: this version of cffi does not export its converters; "
                        "install cffi >= 1.15.1");
        return -1;
    }
    memcpy(&fs_py_cffi_from_memory, &table[FROM_C], sizeof fs_py_cffi_from_memory);
    memcpy(&fs_py_cffi_to_memory, &table[TO_C], sizeof fs_py_cffi_to_memory);
    memcpy(&restore_errno, &table[RESTORE_ERRNO], sizeof restore_errno);
    memcpy(&save_errno, &table[SAVE_ERRNO], sizeof save_errno);
    return 0;
}

/* Where this thread's ffi.errno is. cffi gives no address, only save_errno() (ffi.errno = errno)
 * and restore_errno() (errno = ffi.errno), each a call through two dynamic thread-local lookups. So
 * each thread searches once, in cffi's own thread-local block, for the int that save_errno()
 * changes and restore_errno() reads. */
static FS_PY_THREAD_LOCAL int *found;
static FS_PY_THREAD_LOCAL bool searched;

struct block {
    const void *inside; /* an address in the library that is asked for */
    char *start;        /* its thread-local block in this thread */
    size_t size;
};

static int find_block(struct dl_phdr_info *info, size_t size, void *out)
{
    struct block *block = out;
    bool ours = false;
    size_t bytes = 0;
    if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data)
        return 1; /* a libc that does not tell */
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t offset = (uintptr_t)block->inside - info->dlpi_addr - p->p_vaddr;
        if (p->p_type == PT_LOAD && offset < p->p_memsz)
            ours = true;
        if (p->p_type == PT_TLS)
            bytes = p->p_memsz;
    }
    if (!ours)
        return 0;
    block->start = info->dlpi_tls_data;
    block->size = bytes;
    return 1;
}

/* Does ffi.errno live at `at`? Try both directions, with values that are not there by chance. */
static bool holds_cffi_errno(int *at, int *real)
{
    static const int probes[] = {0x13579bd, 0x2468ace};
    for (int i = 0; i < 2; i++) {
        *real = probes[i];
        save_errno();
        if (*(volatile int *)at != probes[i])
            return false;
    }
    *(volatile int *)at = 0x1234567;
    restore_errno();
    return *real == 0x1234567;
}

static FS_COLD void search(int *real)
{
    struct block block = {NULL, NULL, 0};
    searched = true;
    save_errno(); /* a thread's block is allocated on its first use */
    memcpy(&block.inside, &save_errno, sizeof block.inside);
    dl_iterate_phdr(find_block, &block);
    if (!block.start || block.size > 4096)
        return;
    for (size_t i = 0; i + sizeof(int) <= block.size; i += sizeof(int)) {
        *real = 0x13579bd;
        save_errno();
        if (*(int *)(block.start + i) == 0x13579bd &&
            holds_cffi_errno((int *)(block.start + i), real)) {
            found = (int *)(block.start + i);
            return;
        }
    }
}

int *fs_py_cffi_errno(int *real, int saved)
{
    if (fs_unlikely(!searched))
        search(real);
    if (fs_likely(found != NULL)) {
        *found = saved;
    } else {
        *real = saved;
        save_errno();
    }
    return found;
}

int fs_py_cffi_restore_errno(int *real)
{
    restore_errno();
    return *real;
}

static PyObject *from_any(struct fs_py_conv *conv, void *data)
{
    return fs_py_cffi_from_memory(data, conv->type);
}

/* cffi makes a cdata for a call, and frees it afterwards if the function has not kept it. The next
 * call's cdata differs in its pointer only. So fs_py_conv_done() keeps the cdata, and the next call
 * writes the pointer: Python sees the same, and the call costs less. */
static PyObject *from_pointer(struct fs_py_conv *conv, void *data)
{
    PyObject *cdata = conv->unused;
    if (fs_unlikely(!cdata))
        return fs_py_cffi_from_memory(data, conv->type);
    conv->unused = NULL;
    *(void **)((char *)cdata + conv->at) = *(void **)data;
    return cdata;
}

static PyObject *from_bool(struct fs_py_conv *conv, void *data)
{
    unsigned char value = *(unsigned char *)data;
    if (value > 1)
        return fs_py_cffi_from_memory(data, conv->type);
    return PyBool_FromLong(value);
}

static int to_void(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    (void)conv;
    (void)ret;
    if (value == Py_None)
        return 0;
    PyErr_SetString(PyExc_TypeError, "callback with the return type 'void' must return None");
    return -1;
}

/* Everything else. Results shorter than an ffi_arg are zero-extended (sign-extended if
 * signed), larger ones are zeroed first: an initializer need not name all members. */
int fs_py_cffi_to_c(const struct fs_py_conv *conv, void *ret, PyObject *value)
{
    if (conv->ffi->type == FFI_TYPE_VOID)
        return to_void(conv, ret, value);
    memset(ret, 0, conv->size < sizeof(ffi_arg) ? sizeof(ffi_arg) : conv->size);
    if (fs_py_cffi_to_memory(ret, conv->type, value) < 0)
        return -1;
    fs_py_widen(conv->ffi, ret);
    return 0;
}

/* Where in two cdata of one type, the only word that differs holds `a` and `b`; or 0. */
static size_t where(const PyObject *one, const PyObject *other, const void *a, const void *b)
{
    size_t at = 0, size = (size_t)Py_TYPE(one)->tp_basicsize;
    for (size_t i = sizeof(PyObject); i + sizeof(void *) <= size; i += sizeof(void *)) {
        void *const *mine = (void *const *)((const char *)one + i);
        void *const *theirs = (void *const *)((const char *)other + i);
        if (*mine == *theirs)
            continue;
        if (at || *mine != a || *theirs != b)
            return 0;
        at = i;
    }
    return at;
}

/* Learn whether cdata of this type can be used again: their layout is not documented. */
static void learn_pointer(struct fs_py_conv *conv)
{
    int here[2];
    void *a = &here[0], *b = &here[1], *back = NULL;
    PyObject *one = fs_py_cffi_from_memory((char *)&a, conv->type);
    PyObject *other = fs_py_cffi_from_memory((char *)&b, conv->type);
    PyTypeObject *type = one ? Py_TYPE(one) : NULL;
    if (FS_PY_COUNTS_ALONE && one && other && type == Py_TYPE(other) && Py_REFCNT(one) == 1 &&
        !type->tp_itemsize && !PyType_IS_GC(type) &&
        type->tp_weaklistoffset >= (Py_ssize_t)sizeof(PyObject) &&
        !*(PyObject **)((char *)one + type->tp_weaklistoffset)) {
        size_t at = where(one, other, a, b);
        if (at)
            *(void **)((char *)one + at) = b;
        if (at && fs_py_cffi_to_memory((char *)&back, conv->type, one) == 0 && back == b &&
            PyObject_RichCompareBool(one, other, Py_EQ) == 1) {
            conv->at = at;
            conv->weak = (size_t)type->tp_weaklistoffset;
            conv->from_c = from_pointer;
        }
    }
    PyErr_Clear();
    Py_XDECREF(one);
    Py_XDECREF(other);
}

void fs_py_conv_cffi(struct fs_py_conv *conv, int code)
{
    conv->to_c = fs_py_cffi_to_c;
    conv->from_c = from_any;
    if (code == '?')
        conv->from_c = from_bool;
    else if (code == 'v')
        conv->to_c = to_void;
    else if (code == 'p')
        learn_pointer(conv);
}
