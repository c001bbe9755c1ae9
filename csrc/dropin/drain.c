/* SPDX-License-Identifier: MIT */
/* drain.c - take cffi's free blocks from it, and put ours into its free list, or back
 *
 * Nothing tells where cffi's free list is. But making callbacks takes blocks from it, and freeing
 * callbacks puts blocks into it. Which blocks, the callback objects say, whose layout the probe has
 * shown. Each function here leaves cffi with a list of whole blocks; no Python code runs meanwhile.
 */
#include "dropin/drain.h"

#include "dropin/cffi.h"

/* Blocks of ours that cffi keeps besides. */
enum { SPARE = 64 };

/* Add a callback to a list, hidden from gc.get_objects(), which shows objects to everybody. */
static int append(PyObject *list, PyObject *made)
{
    PyObject_GC_UnTrack(made);
    int error = PyList_Append(list, made);
    Py_DECREF(made);
    return error;
}

/* Free the callbacks of a list. Blocks of ours go into cffi's free list, but for those that cffi
 * has more of than callbacks were ever alive: a block of ours takes the place of each stock block
 * that comes back after install(), so there would be more each time. Neither they nor stock blocks
 * go there: in place of each, the sink goes to the head of that list, unless it is there already.
 * Without the GIL other threads may be at that list. Then all blocks of ours go there, and stock
 * blocks keep their callbacks, for good. */
static int release(struct fs_cffi *c, PyObject *list)
{
    struct fs_block *head = NULL;
    size_t excess = c->given > c->most + SPARE ? c->given - c->most - SPARE : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        struct fs_cffi_callback *o = (struct fs_cffi_callback *)PyList_GET_ITEM(list, i);
        if ((PyObject *)o == Py_None || !fs_block_is_ours(o->closure))
            continue;
        if (excess && !FS_PY_NO_GIL) {
            excess--;
            continue;
        }
        head = o->closure;
        Py_INCREF(Py_None);
        PyList_SetItem(list, i, Py_None);
    }
    void *next = head ? head->link : NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        const struct fs_cffi_callback *o = (void *)PyList_GET_ITEM(list, i);
        if ((const PyObject *)o == Py_None)
            continue;
        if (FS_PY_NO_GIL) {
            Py_INCREF(PyList_GET_ITEM(list, i));
            Py_INCREF(Py_None);
            PyList_SetItem(list, i, Py_None);
            continue;
        }
        struct fs_block *ours = fs_block_is_ours(o->closure) ? o->closure : NULL;
        if (!head) {
            head = fs_block_new();
            if (!head) { /* they stay in the list */
                PyErr_NoMemory();
                return -1;
            }
            head->link = head;
            c->given++;
        }
        fs_cffi_sink = head;
        Py_INCREF(Py_None);
        PyList_SetItem(list, i, Py_None);
        fs_cffi_sink = NULL;
        if (ours) {
            fs_block_undo(ours);
            c->given--;
        }
        if (head->link == head) /* it was at the head already */
            head->link = next;
        else
            next = head->link;
    }
    return 0;
}

/* Make callbacks into a list while there are more to come. At the end of its free list cffi asks
 * for memory, and is refused. */
static int drain(struct fs_dropin *d, PyObject *list, bool (*more)(const struct fs_cffi *))
{
    struct fs_cffi *c = fs_cffi_of(d);
    int error = 0;
    const char *symbol = fs_dropin_lost(d);
    if (symbol) { /* a drain that does not see mmap() would go on until no memory is left */
        PyErr_Format(PyExc_RuntimeError, "another tool has rebound its import %s", symbol);
        return -1;
    }
    fs_py_store(&d->prober, pthread_self());
    fs_stock_begin(&c->stock);
    while (error == 0 && more(c)) {
        unsigned long before = c->stock.requests;
        PyObject *made = PyObject_Call(c->maker, c->arguments, NULL);
        if (made)
            error = append(list, made);
        else if (c->stock.requests != before && PyErr_ExceptionMatches(PyExc_MemoryError))
            PyErr_Clear();
        else
            error = -1;
    }
    fs_stock_end(&c->stock);
    return error;
}

static bool to_the_end(const struct fs_cffi *c)
{
    return !c->stock.refused || fs_stock_wants_more(&c->stock);
}

static bool to_our_last(const struct fs_cffi *c)
{
    return fs_py_load(&c->given) != fs_py_load(&c->out) && !c->stock.refused;
}

/* The list of what is withheld, hidden from the garbage collector. NULL with an exception. */
static PyObject *withheld(struct fs_cffi *c)
{
    if (!c->withheld) {
        c->withheld = PyList_New(0);
        if (c->withheld)
            PyObject_GC_UnTrack(c->withheld);
    }
    return c->withheld;
}

static int release_all(struct fs_cffi *c)
{
    if (c->withheld && release(c, c->withheld) < 0)
        return -1;
    Py_CLEAR(c->withheld);
    return 0;
}

int fs_drain_set_maker(struct fs_dropin *d, PyObject *maker, PyObject *arguments)
{
    struct fs_cffi *c = fs_cffi_of(d);
    Py_INCREF(maker);
    Py_XSETREF(c->maker, maker);
    Py_INCREF(arguments);
    Py_XSETREF(c->arguments, arguments);
    return release_all(c);
}

int fs_drain_retire(struct fs_dropin *d, bool writable_code)
{
    struct fs_cffi *c = fs_cffi_of(d);
    if (!c->maker || c->clean)
        return 0;
    int error = withheld(c) ? drain(d, c->withheld, to_the_end) : -1;
    /* Also after a failure: what cffi is given here is ours, and can be drained again. */
    if (release_all(c) < 0)
        return -1;
    if (error == 0 && fs_stock_settle(&c->stock, writable_code) < 0) {
        PyErr_SetString(PyExc_RuntimeError, "its memory for closures grows in an unknown way");
        error = -1;
    }
    c->clean = error == 0;
    return error;
}

void fs_drain_withhold(struct fs_dropin *d)
{
    struct fs_cffi *c = fs_cffi_of(d);
    PyObject *type, *value, *trace;
    if (!c->maker)
        return;
    PyErr_Fetch(&type, &value, &trace);
    if (c->clean)
        fs_stock_keep_count(&c->stock);
    if (withheld(c)) /* without the list cffi goes on using our blocks, and our functions stay */
        (void)drain(d, c->withheld, to_our_last);
    PyErr_Restore(type, value, trace);
}
