/* SPDX-License-Identifier: MIT */
/* users.c - which objects of this process make closures with libffi's functions
 *
 * An object's imports tell, whatever its name is: copies of ctypes and cffi inside of packages,
 * extensions that use libffi themselves, and C libraries that use it. Each object is looked at
 * once.
 *
 * Does not see: an object that has libffi inside and shows none of libffi's names.
 */
#include "dropin/users.h"

#include "dropin/elf.h"

#include <stdlib.h>
#include <string.h>

/* Functions that make a closure executable, or its memory. Go closures need none. */
static const char *const makers[] = {
    "ffi_closure_alloc",
    "ffi_prep_closure",
    "ffi_prep_closure_loc",
    "ffi_prep_raw_closure",
    "ffi_prep_raw_closure_loc",
    "ffi_prep_java_raw_closure",
    "ffi_prep_java_raw_closure_loc",
};
enum { MAKERS = sizeof makers / sizeof *makers };

static struct user {
    const void *dynamic;
    char *path;
    unsigned calls; /* a mask of makers[] */
    bool python;
} * users;
static size_t user_count, user_room;
static unsigned seen; /* objects that were looked at */
static struct fs_loads then;
static bool short_of_memory;

/* libffi calls some of these functions itself, but not ffi_closure_alloc(). */
static bool is_libffi(const struct fs_object *object, unsigned calls, bool python)
{
    const char *file = strrchr(object->path, '/');
    return !python && !(calls & 1u) && strncmp(file ? file + 1 : object->path, "libffi", 6) == 0;
}

static void note(const struct fs_object *object)
{
    bool python;
    unsigned calls = fs_object_calls(object, makers, MAKERS, &python);
    seen++;
    if (!calls || is_libffi(object, calls, python))
        return;
    if (user_count == user_room) {
        size_t room = user_room ? 2 * user_room : 16;
        struct user *larger = realloc(users, room * sizeof *users);
        if (!larger) {
            short_of_memory = true;
            return;
        }
        users = larger;
        user_room = room;
    }
    users[user_count] = (struct user){object->dynamic, strdup(object->path), calls, python};
    short_of_memory |= !users[user_count].path;
    user_count += users[user_count].path != NULL;
}

static bool has_changed(void)
{
    struct fs_loads now = fs_object_loads();
    return now.loaded != then.loaded || now.unloaded != then.unloaded;
}

/* Objects that were unloaded leave a hole in the numbers: then all are looked at again. */
static int look(void)
{
    struct fs_loads now = fs_object_loads();
    if (now.unloaded != then.unloaded || short_of_memory) {
        while (user_count)
            free(users[--user_count].path);
        seen = 0;
    }
    short_of_memory = false;
    fs_object_each(seen, note);
    then = now;
    return short_of_memory ? -1 : 0;
}

static PyObject *names(unsigned calls)
{
    char text[256] = "";
    for (unsigned i = 0; i < MAKERS; i++)
        if (calls & 1u << i)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? ", " : "",
                     makers[i]);
    return PyUnicode_FromString(text);
}

static PyObject *dropin_users(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (has_changed() && look() < 0)
        return PyErr_NoMemory();
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < user_count; i++) {
        const struct user *u = &users[i];
        PyObject *each = Py_BuildValue("KNNO", (unsigned long long)(uintptr_t)u->dynamic,
                                       PyUnicode_DecodeFSDefault(u->path), names(u->calls),
                                       u->python ? Py_True : Py_False);
        if (!each || PyList_Append(list, each) < 0)
            Py_CLEAR(list);
        Py_XDECREF(each);
    }
    return list;
}

static PyObject *dropin_object(PyObject *self, PyObject *function)
{
    struct fs_object object;
    (void)self;
    if (!PyCFunction_Check(function) ||
        fs_object_find((const void *)PyCFunction_GetFunction(function), &object) < 0)
        return PyLong_FromLong(0);
    return PyLong_FromUnsignedLongLong((unsigned long long)(uintptr_t)object.dynamic);
}

/* What _imp.exec_dynamic() becomes: the original, and then our look at the module. In C, so that
 * the traceback of a failed import shows no line of this package. */
static PyObject *exec_dynamic(PyObject *self, PyObject *module)
{
    PyObject *result = PyObject_CallOneArg(PyTuple_GET_ITEM(self, 0), module);
    PyObject *looked = result ? PyObject_CallOneArg(PyTuple_GET_ITEM(self, 1), module) : NULL;
    if (!looked)
        Py_CLEAR(result);
    Py_XDECREF(looked);
    return result;
}

static PyObject *dropin_exec_dynamic(PyObject *self, PyObject *args)
{
    static PyMethodDef definition = {"exec_dynamic", exec_dynamic, METH_O,
                                     "Initialize an extension module."};
    PyObject *original, *look_at;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO:dropin_exec_dynamic", &original, &look_at))
        return NULL;
    return PyCFunction_New(&definition, args);
}

PyMethodDef fs_dropin_users_functions[] = {
    {"dropin_users", dropin_users, METH_NOARGS,
     "Objects that make closures with libffi's functions: (number, path, functions, whether it is "
     "an extension of Python's)."},
    {"dropin_object", dropin_object, METH_O,
     "dropin_object(builtin): the number of the object that its code is in, or 0."},
    {"dropin_exec_dynamic", dropin_exec_dynamic, METH_VARARGS,
     "dropin_exec_dynamic(original, look): a function for _imp.exec_dynamic."},
    {NULL, NULL, 0, NULL},
};
