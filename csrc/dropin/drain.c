/* SPDX-License-Identifier: MIT */
/* drain.c - take cffi's free blocks from it, and put ours into its free list, or back
 *
 * Nothing tells where the free list is. But making callbacks takes blocks from it, and freeing them
 * puts blocks into it: which ones, is in the callback objects, whose layout the probe has shown.
 * Each function here leaves cffi with a list of whole blocks; no Python code runs meanwhile.
 */
#include "dropin/cffi.h"

/* The garbage collector, which shows what it knows to everybody, shall not know these. */
static int append(PyObject *list, PyObject *made)
{
    PyObject_GC_UnTrack(made);
    int error = PyList_Append(list, made);
    Py_DECREF(made);
    return error;
}

/* Let the callbacks of a list go. Blocks of ours go into cffi's free list; of cffi's own none, but
 * as often the sink, once. The sink is at the head of that list, or not in it. */
static int release(struct fs_dropin *d, PyObject *list)
{
    struct block *head = NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        struct callback *o = (struct callback *)PyList_GET_ITEM(list, i);
        if ((PyObject *)o == Py_None || !fs_cffi_is_ours(o->closure))
            continue;
        head = o->closure;
        Py_INCREF(Py_None);
        PyList_SetItem(list, i, Py_None);
    }
    void *next = head ? head->link : NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (PyList_GET_ITEM(list, i) == Py_None)
            continue;
        if (!head) {
            head = fs_cffi_take_spare();
            if (!head) { /* they stay in the list */
                PyErr_NoMemory();
                return -1;
            }
            head->link = head;
            d->cffi.given++;
        }
        fs_cffi_sink = head;
        Py_INCREF(Py_None);
        PyList_SetItem(list, i, Py_None);
        fs_cffi_sink = NULL;
        if (head->link == head) /* it was at the head already */
            head->link = next;
        else
            next = head->link;
    }
    return 0;
}

/* Make callbacks, into a list, as long as there is more to come. At the end of cffi's free list it
 * asks for memory, and is refused. */
static int drain(struct fs_dropin *d, PyObject *list, int (*more)(const struct fs_dropin *))
{
    int error = 0;
    fs_stock_begin(d);
    d->prober = pthread_self();
    d->cffi.draining = 1;
    while (error == 0 && more(d)) {
        unsigned long before = d->cffi.requests;
        PyObject *made = PyObject_Call(d->cffi.maker, d->cffi.arguments, NULL);
        if (made)
            error = append(list, made);
        else if (d->cffi.requests != before && PyErr_ExceptionMatches(PyExc_MemoryError))
            PyErr_Clear();
        else
            error = -1;
    }
    d->cffi.draining = 0;
    return error;
}

static int to_the_end(const struct fs_dropin *d)
{
    return !d->cffi.refused || fs_stock_wants_more(d);
}

static int to_our_last(const struct fs_dropin *d)
{
    return d->cffi.given != d->cffi.out && !d->cffi.refused;
}

/* The list of what is kept from cffi, which only we know. */
static PyObject *held(struct fs_dropin *d)
{
    if (!d->cffi.held) {
        d->cffi.held = PyList_New(0);
        if (d->cffi.held)
            PyObject_GC_UnTrack(d->cffi.held);
    }
    return d->cffi.held;
}

int fs_dropin_cffi_release(struct fs_dropin *d)
{
    if (d->cffi.held && release(d, d->cffi.held) < 0)
        return -1;
    Py_CLEAR(d->cffi.held);
    return 0;
}

int fs_dropin_cffi_take_over(struct fs_dropin *d, int writable_code)
{
    if (!d->cffi.maker || d->cffi.clean)
        return 0;
    int error = held(d) ? drain(d, d->cffi.held, to_the_end) : -1;
    /* Also when it failed: what cffi is given here is ours, and can be collected again. */
    if (fs_dropin_cffi_release(d) < 0)
        return -1;
    if (error == 0)
        error = fs_stock_retire(d, writable_code);
    d->cffi.clean = error == 0;
    return error;
}

void fs_dropin_cffi_give_back(struct fs_dropin *d)
{
    PyObject *type, *value, *trace;
    if (!d->cffi.maker)
        return;
    PyErr_Fetch(&type, &value, &trace);
    if (d->cffi.pages && d->cffi.clean)
        d->cffi.pages_kept = *d->cffi.pages;
    if (held(d)) /* what cannot be held cffi goes on using, and our functions stay */
        (void)drain(d, d->cffi.held, to_our_last);
    PyErr_Restore(type, value, trace);
}

int fs_dropin_cffi_is_out(const struct fs_dropin *d)
{
    return d->cffi.given == d->cffi.out && d->cffi.area_count == 0;
}
