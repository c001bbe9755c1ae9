/* SPDX-License-Identifier: MIT */
/* thunk.c - ctypes' thunks and classes as they lie in memory, and a call that uses them
 *
 * A thunk is the object that ctypes' handler is given: it has the signature, the function and the
 * converter of the result. libffi's description of an argument is a part of what ctypes knows of
 * the argument's class, so the converter is found from there.
 *
 * An argument is converted in one of two ways. A class right below _SimpleCData has a converter.
 * Any other class is called, and the value is copied into the instance. Such a class may run code
 * of the program's. Then the callback keeps ctypes' handler.
 *
 * Fails when: the layout is another one (no_turbo says what); ctypes' handler then does the work.
 */
#include "dropin/thunk.h"

#include "dropin/call.h"
#include "py/compat.h"

#include <string.h>

enum { ON_STACK = 24 };                           /* arguments */
enum { CALLS = 0xff, CDECL = 1, PYTHON_API = 4 }; /* ctypes' flags of calls, FUNCFLAG_ */

typedef PyObject *reader(void *at, Py_ssize_t size);
typedef PyObject *writer(void *at, PyObject *value, Py_ssize_t size);

/* The end of ctypes' CThunkObject. */
struct thunk {
    ffi_cif cif;
    int flags;
    PyObject *converters, *callable, *restype;
    writer *set;
    ffi_type *result;
    ffi_type *arguments[1];
};

/* Of what ctypes knows of a class (StgDict, from 3.13 on StgInfo): the part around libffi's
 * description. */
struct class_info {
    Py_ssize_t size, align, length;
    ffi_type type;
    PyObject *proto; /* of a simple type: its code */
    writer *set;
    reader *get;
};

static const struct thunk *thunk_of(const ffi_cif *cif)
{
    return (const struct thunk *)cif;
}

static const struct class_info *info_of(const ffi_type *type)
{
    return (const struct class_info *)((const char *)type - offsetof(struct class_info, type));
}

/* Where an instance's value is. */
static char *memory_of(PyObject *instance)
{
    return *(char **)((char *)instance + sizeof(PyObject));
}

static bool is_code(const struct class_info *info, char code)
{
    return info->proto && PyUnicode_CheckExact(info->proto) &&
           PyUnicode_GET_LENGTH(info->proto) == 1 &&
           PyUnicode_READ_CHAR(info->proto, 0) == (Py_UCS4)code;
}

/* ctypes' class that this one is derived from: right below _CData, which is right below object. */
static const PyTypeObject *ancestor_of(const PyTypeObject *class)
{
    while (class && class->tp_base && class->tp_base->tp_base != &PyBaseObject_Type)
        class = class->tp_base;
    return class && class->tp_base ? class : NULL;
}

/* Does a call of this class, or the end of its instance, run nothing but ctypes? */
static bool is_plain(const PyTypeObject *class)
{
    const PyTypeObject *ancestor = ancestor_of(class);
    return ancestor && class->tp_new == ancestor->tp_new && class->tp_init == ancestor->tp_init &&
           class->tp_alloc == ancestor->tp_alloc && !class->tp_finalize && !class->tp_del &&
           Py_TYPE(class)->tp_call == PyType_Type.tp_call;
}

static uintptr_t anchor_of(PyObject *class)
{
    return PyType_Check(class) ? fs_py_ctypes_anchor((PyTypeObject *)class) : 0;
}

/* ---- the first call ----------------------------------------------------------------------- */

static ptrdiff_t distance; /* from the anchor to libffi's description */

/* Can our dispatch make this argument? Sets *boxed when it is an instance. */
static bool learn_argument(PyObject *class, const ffi_type *type, bool *boxed)
{
    uintptr_t anchor = anchor_of(class);
    if (!anchor || (uintptr_t)type != anchor + (uintptr_t)fs_py_load(&distance))
        return false; /* ctypes knows nothing of this class */
    const PyTypeObject *base = ((PyTypeObject *)class)->tp_base;
    *boxed = !info_of(type)->get || base != ancestor_of(base);
    return !*boxed || is_plain((PyTypeObject *)class);
}

/* Bit n of *types says that argument n is an instance. */
static bool learn(const ffi_cif *cif, uint32_t *types)
{
    const struct thunk *t = thunk_of(cif);
    if ((t->flags & CALLS & ~PYTHON_API) != CDECL || cif->nargs > ON_STACK || !t->converters ||
        !PyTuple_CheckExact(t->converters) ||
        PyTuple_GET_SIZE(t->converters) != (Py_ssize_t)cif->nargs)
        return false;
    /* Versions of ctypes differ in how they count references to a py_object result. */
    if (t->set && is_code(info_of(t->result), 'O'))
        return false;
    for (unsigned i = 0; i < cif->nargs; i++) {
        bool boxed;
        if (!learn_argument(PyTuple_GET_ITEM(t->converters, i), cif->arg_types[i], &boxed))
            return false;
        *types |= (uint32_t)boxed << i;
    }
    return true;
}

bool fs_thunk_learn(struct fs_py_cell *cell, const ffi_cif *cif)
{
    struct fs_dropin *d = cell->served.data;
    uint32_t types = 0;
    bool ours = !fs_py_load(&d->no_turbo) && learn(cif, &types);
    fs_turbo_decide(d, cell, ours, types);
    return ours;
}

/* ---- each call ------------------------------------------------------------------------------ */

/* What a call uses of its thunk. Without the GIL another thread may free the thunk during the call,
 * with the cif and the description of the arguments that lie in the thunk. */
struct use {
    PyObject *converters, *callable;
    writer *set;
    const ffi_type *result;
    uint32_t instances; /* a mask: arguments that are instances */
    Py_ssize_t count;
    ffi_type **types;
#if FS_PY_NO_GIL
    ffi_type *copies[ON_STACK];
#endif
};

static FS_ALWAYS_INLINE void look(struct use *use, const struct fs_py_cell *cell,
                                  const ffi_cif *cif)
{
    const struct thunk *t = thunk_of(cif);
    use->converters = t->converters;
    use->callable = t->callable;
    use->set = t->set;
    use->result = t->result;
    use->instances = __atomic_load_n(&cell->types, __ATOMIC_RELAXED);
    use->count = (Py_ssize_t)cif->nargs;
    use->types = cif->arg_types;
#if FS_PY_NO_GIL
    for (Py_ssize_t i = 0; i < use->count; i++)
        use->copies[i] = cif->arg_types[i];
    use->types = use->copies;
#endif
}

/* An instance of the class with this value, or NULL. */
static PyObject *boxed(PyTypeObject *class, const void *value, Py_ssize_t size)
{
    if (fs_unlikely(!is_plain(class)))
        return NULL;
    PyObject *instance = PyObject_CallObject((PyObject *)class, NULL);
    if (fs_likely(instance != NULL))
        memcpy(memory_of(instance), value, (size_t)size);
    return instance;
}

/* Store the arguments in argv. False: one of them does not convert. */
static FS_ALWAYS_INLINE bool convert(const struct use *use, void **args, PyObject **argv)
{
    for (Py_ssize_t i = 0; i < use->count; i++) {
        const struct class_info *info = info_of(use->types[i]);
        if (fs_likely(!(use->instances >> i & 1)))
            argv[i] = info->get(args[i], info->size);
        else
            argv[i] =
                boxed((PyTypeObject *)PyTuple_GET_ITEM(use->converters, i), args[i], info->size);
        if (fs_unlikely(!argv[i])) {
            PyErr_Clear();
            while (i-- > 0)
                Py_DECREF(argv[i]);
            return false;
        }
    }
    return true;
}

/* Store the result. What ctypes' writer gives has to live as long as C uses the result. */
static void give(const struct use *use, void *ret, PyObject *result)
{
    const ffi_type *type = use->result;
    char *at = ret;
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && type->type != FFI_TYPE_FLOAT &&
        type->size < sizeof(ffi_arg))
        at += sizeof(ffi_arg) - type->size;
    PyObject *kept = use->set(at, result, 0);
    if (fs_likely(kept == Py_None))
        Py_DECREF(kept);
    else if (!kept ||
             PyErr_WarnEx(PyExc_RuntimeWarning, "memory leak in callback function.", 1) == -1)
        fs_py_ctypes_unraisable(FS_PY_CTYPES_CONVERTING, use->callable);
}

bool fs_thunk_run(const struct fs_py_cell *cell, struct fs_py_running *running, ffi_cif *cif,
                  void *ret, void **args)
{
    PyObject *stack[ON_STACK + 1], **argv = stack + 1;
    struct use use;
    look(&use, cell, cif);
    fs_py_running_seen(running, cell->callback); /* Python may free the thunk from here on */
    /* Without a callable, the garbage collector destroys the callback. */
    if (fs_unlikely(!use.callable || !convert(&use, args, argv)))
        return false;
    PyObject *result = PyObject_Vectorcall(
        use.callable, argv, (size_t)use.count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (fs_unlikely(!result))
        fs_py_ctypes_unraisable(FS_PY_CTYPES_CALLING, use.callable);
    else if (use.set)
        give(&use, ret, result);
    Py_XDECREF(result);
    for (Py_ssize_t i = 0; i < use.count; i++)
        Py_DECREF(argv[FS_PY_CTYPES_PASSES_TUPLE ? use.count - 1 - i : i]);
    return true;
}

/* ---- the end ------------------------------------------------------------------------------- */

void fs_thunk_finish(const PyObject *object, ffi_static_handler call)
{
    /* The beginning of ctypes' CThunkObject. */
    const struct {
        PyObject_VAR_HEAD ffi_static_closure *closure;
        void *code;
        struct thunk rest;
    } *thunk = (const void *)object;
    PyObject *const used[FS_PY_KEPT] = {thunk->rest.converters, thunk->rest.callable,
                                        thunk->rest.restype};
    if (thunk->closure)
        fs_dropin_finish(thunk->closure, call, object, used);
}

/* ---- the probe ------------------------------------------------------------------------------ */

static const char *wrong_thunk(const struct fs_dropin *d, const ffi_cif *cif)
{
    const struct thunk *t = thunk_of(cif);
    if ((t->flags & CALLS) != CDECL || t->result != cif->rtype ||
        cif->arg_types != (ffi_type **)t->arguments || t->arguments[3] || !t->set ||
        !fs_object_holds(&d->object, (void *)t->set))
        return "its thunks have another layout";
    if (!t->converters || !PyTuple_CheckExact(t->converters) ||
        PyTuple_GET_SIZE(t->converters) != 3 || !t->callable || !PyCFunction_Check(t->callable))
        return "its thunks hold other objects";
    return NULL;
}

/* Is what ctypes knows of this simple class where it must be? */
static bool is_right(const struct fs_dropin *d, PyObject *class, const ffi_type *type, char code,
                     ptrdiff_t here)
{
    const struct class_info *info = info_of(type);
    const PyTypeObject *base = PyType_Check(class) ? ((PyTypeObject *)class)->tp_base : NULL;
    return base && (uintptr_t)type == anchor_of(class) + (uintptr_t)here &&
           info->size == (Py_ssize_t)type->size && info->align == type->alignment &&
           info->length == 0 && is_code(info, code) && info->get && info->set &&
           fs_object_holds(&d->object, (void *)info->get) &&
           fs_object_holds(&d->object, (void *)info->set) && base == ancestor_of(base) &&
           is_plain((PyTypeObject *)class);
}

static const char *wrong_classes(const struct fs_dropin *d, const struct thunk *t)
{
    static const char codes[] = {'h', 'd', 'P'};
    PyObject *first = PyTuple_GET_ITEM(t->converters, 0);
    const ptrdiff_t known = fs_py_load(&distance);
    const ptrdiff_t here = (ptrdiff_t)((uintptr_t)t->arguments[0] - anchor_of(first));
    bool right = (!known || here == known) && is_right(d, t->restype, t->result, 'i', here) &&
                 info_of(t->result)->set == t->set;
    for (unsigned i = 0; i < 3; i++)
        right = right &&
                is_right(d, PyTuple_GET_ITEM(t->converters, i), t->arguments[i], codes[i], here);
    if (!right)
        return "what it knows of a class has another layout";
    fs_py_store(&distance, here);
    return NULL;
}

/* Where the value of an instance is. */
static const char *wrong_instance(PyObject *class)
{
    Py_buffer view;
    PyObject *instance = PyObject_CallObject(class, NULL);
    const char *wrong = NULL;
    if (!instance || PyObject_GetBuffer(instance, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        wrong = "its instances show no memory";
    } else {
        if (view.buf != memory_of(instance))
            wrong = "its instances have another layout";
        PyBuffer_Release(&view);
    }
    Py_XDECREF(instance);
    return wrong;
}

#define SAYS(d, text) fs_object_contains(&(d)->object, text, sizeof(text))

void fs_thunk_check(struct fs_dropin *d, const ffi_cif *cif)
{
    const char *wrong = wrong_thunk(d, cif);
    if (!wrong)
        wrong = wrong_classes(d, thunk_of(cif));
    if (!wrong)
        wrong = wrong_instance(PyTuple_GET_ITEM(thunk_of(cif)->converters, 0));
    if (!wrong && (!SAYS(d, FS_PY_CTYPES_CALLING) || !SAYS(d, FS_PY_CTYPES_CONVERTING)))
        wrong = "it words the report of an exception in another way";
    if (wrong)
        fs_py_store(&d->no_turbo, wrong);
}
