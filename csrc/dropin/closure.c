/* SPDX-License-Identifier: MIT */
/* closure.c - closures of ours that a module asked for, and their cells
 *
 * What is not an error but a fault of the program (a closure freed twice) ends the process with a
 * line.
 */
#include "dropin/closure.h"

#include "py/compat.h"
#include "py/thread.h"
#include "tramp/find.h"

bool fs_turbo_off;

/* A table does not fill its span; what lies behind it may be anybody's. */
bool fs_dropin_is_ours(const void *closure)
{
    struct fs_ref ref;
    if (fs_slot_find(closure, &ref) != -EINVAL)
        return true;
    const struct fs_table *t = fs_slot_ref(closure).table;
    return t && (uintptr_t)closure - (uintptr_t)t->slots < (size_t)t->nslots * FS_SLOT_SIZE;
}

void fs_dropin_check_cif(struct fs_dropin *d, const ffi_cif *cif)
{
    static const struct {
        unsigned short type;
        size_t size;
    } want[] = {{FFI_TYPE_SINT16, 2}, {FFI_TYPE_DOUBLE, 8}, {FFI_TYPE_POINTER, sizeof(void *)}};
    if (!cif || cif->abi != FFI_DEFAULT_ABI || cif->nargs != 3 || !cif->rtype || !cif->arg_types ||
        cif->rtype->type != FFI_TYPE_SINT32 || cif->rtype->size != 4) {
        fs_dropin_wrong(d, "its libffi describes signatures in another way");
        return;
    }
    for (unsigned i = 0; i < 3; i++)
        if (cif->arg_types[i]->type != want[i].type || cif->arg_types[i]->size != want[i].size)
            fs_dropin_wrong(d, "its libffi describes types in another way");
}

void fs_turbo_decide(struct fs_dropin *d, struct fs_py_cell *cell, bool ours, uint32_t types)
{
    uint32_t asks = FS_TURBO_ASKS;
    __atomic_store_n(&cell->types, types, __ATOMIC_RELAXED);
    if (__atomic_compare_exchange_n(&cell->turbo, &asks, ours ? FS_TURBO_RUNS : FS_TURBO_OFF, false,
                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED) &&
        ours && !fs_dropin_probing(d))
        __atomic_add_fetch(&d->turbo, 1, __ATOMIC_RELAXED);
}

void fs_dropin_finish(const ffi_static_closure *closure, ffi_static_handler call,
                      const PyObject *object, PyObject *const used[FS_PY_KEPT])
{
    if (!fs_dropin_is_ours(closure) || closure->handler != call)
        return;
    struct fs_py_cell *cell = fs_py_cell_of(closure->user_data);
    if (fs_py_load(&cell->callback) == object)
        fs_py_running_finish(cell, used);
}

bool fs_dropin_free(struct fs_dropin *d, ffi_static_closure *closure, ffi_static_handler call)
{
    /* The closure may be libffi's: libffi's closures have these two words as well. */
    struct fs_py_cell *cell = closure->handler == call ? fs_py_cell_of(closure->user_data) : NULL;
    if (fs_unlikely(fs_py_may_be_exiting()) && fs_py_finalizing()) {
        if (!fs_dropin_is_ours(closure))
            return false;
        if (cell) { /* both stay: C may call until the process ends */
            fs_py_store(&cell->callback, NULL);
            fs_py_add(&d->freed, 1);
        }
        return true;
    }
    int error = ffi_static_free(closure);
    /* A sealed one whose page cannot be opened stays, and finds no callback any more. */
    if (fs_unlikely(error == -EINVAL || error == -EALREADY)) {
        if (!fs_dropin_is_ours(closure))
            return false;
        fs_die(error == -EALREADY ? "ffi_static: the closure at @ is freed twice"
                                  : "ffi_static: the closure at @ is freed from inside",
               (uintptr_t)closure, 0);
    }
    if (fs_likely(cell != NULL))
        fs_py_cell_free(cell, &d->freed);
    return true;
}
