/* SPDX-License-Identifier: MIT */
/* cell.h - memory that outlives every callback, and the tickets that name it
 *
 * A cell is the C side of one callback. Cells are never given back to malloc: a thread that waits
 * for the GIL while another thread closes the callback reads a cell, finds that its ticket is no
 * longer valid, and returns.
 */
#ifndef FS_PY_CELL_H
#define FS_PY_CELL_H

#include "py/compat.h"

#include "ffi_static.h"

struct fs_py_interp;

/* Who uses a cell. A cell keeps its tenant for ever, so a late thread that reads a member of the
 * union reads what the same tenant wrote. */
enum fs_py_tenant {
    FS_PY_CALLBACKS, /* ffi_static.callback(): csrc/py */
    FS_PY_MODULES,   /* ctypes and cffi, rebound: csrc/dropin */
    FS_PY_TENANTS,
};

/* Changed under the GIL only; without one, as running.h says. */
struct fs_py_cell {
    PyObject *callback; /* borrowed; NULL when closed. FS_PY_MODULES: what the handler is given */
    const ffi_static_closure *closure;
    uint32_t generation; /* counts the callbacks that this cell has served */
    uint32_t index;
    uint32_t result_size; /* room that a handler's `ret` has; 0: no result */
    uint32_t error_size;  /* bytes of `error` in use */
    uint8_t tenant;       /* enum fs_py_tenant */
    bool has_error;       /* the user gave `error`, which holds until the process ends */
    bool is_object;       /* `error` is a PyObject * (ctypes' py_object) */
    uint32_t turbo;       /* FS_PY_MODULES: enum fs_turbo (dropin/closure.h) */
    union {
        unsigned char bytes[16];
        void *pointer; /* a larger result: malloc'ed, kept with the cell */
    } error;
    union {
        struct { /* FS_PY_CALLBACKS */
            struct fs_py_interp *interp;
        } own;
        struct { /* FS_PY_MODULES */
            ffi_static_handler handler;
            void *data;
        } served;
    };
    union {
        struct fs_py_cell *next; /* of a free cell */
        uint32_t types;          /* FS_PY_MODULES: what the first call has learned of the types */
    };
};

/* A ticket has a cell's index in its low bits and the generation above them. A 32-bit machine has
 * room for 4,096 generations. A cell that has served its last one is not used again, so no ticket
 * ever names two callbacks. */
#if UINTPTR_MAX > UINT32_MAX
enum { FS_PY_INDEX_BITS = 32, FS_PY_SLABS = 1 << 16 };
#else
enum { FS_PY_INDEX_BITS = 20, FS_PY_SLABS = 1 << 10 };
#endif
#define FS_PY_LAST_GENERATION ((uint32_t)(UINTPTR_MAX >> FS_PY_INDEX_BITS))

enum { FS_PY_SLAB_SHIFT = 10, FS_PY_SLAB_CELLS = 1 << FS_PY_SLAB_SHIFT };
extern FS_HIDDEN struct fs_py_cell *fs_py_slabs[FS_PY_SLABS];

/* A new cell, or NULL without an exception: no memory, or all cells are in use (67 million, or
 * a million on a 32-bit machine). A cell that
 * is freed keeps its generation and its error result until it is used again, for calls that are
 * still on their way. Both functions add one to *count, unless it is NULL, in one step with what
 * they do. */
FS_HIDDEN struct fs_py_cell *fs_py_cell_new(enum fs_py_tenant tenant, unsigned long *count);
FS_HIDDEN void fs_py_cell_free(struct fs_py_cell *cell, unsigned long *count);

/* For fork(). No GIL needed. */
FS_HIDDEN void fs_py_cells_lock(void);
FS_HIDDEN void fs_py_cells_unlock(void);

/* A closure's user_data. */
static inline void *fs_py_cell_ticket(const struct fs_py_cell *cell)
{
    return (void *)((uintptr_t)cell->generation << FS_PY_INDEX_BITS | cell->index);
}

static inline struct fs_py_cell *fs_py_cell_of(void *ticket)
{
    uint32_t index = (uint32_t)((uintptr_t)ticket & (((uintptr_t)1 << FS_PY_INDEX_BITS) - 1));
    return &fs_py_slabs[index >> FS_PY_SLAB_SHIFT][index & (FS_PY_SLAB_CELLS - 1)];
}

/* Does the cell still serve the callback of this ticket, closed or not? */
static inline bool fs_py_cell_same(const struct fs_py_cell *cell, void *ticket)
{
    return fs_py_load(&cell->generation) == (uint32_t)((uintptr_t)ticket >> FS_PY_INDEX_BITS);
}

/* Can the callback of this ticket be run? */
static inline bool fs_py_cell_valid(const struct fs_py_cell *cell, void *ticket)
{
    return fs_py_load(&cell->callback) && fs_py_cell_same(cell, ticket);
}

/* Has the cell served its last generation? Then it cannot be renewed. */
static inline bool fs_py_cell_is_worn(const struct fs_py_cell *cell)
{
    return cell->generation == FS_PY_LAST_GENERATION;
}

/* Use a cell that is not worn for another callback: forget what it knows of the one before. The
 * cells are locked. */
FS_HIDDEN void fs_py_cell_renew(struct fs_py_cell *cell);

/* Copy the error result of `cell` to `ret`, which has room for `size` bytes. No GIL needed. */
FS_HIDDEN void fs_py_cell_error(const struct fs_py_cell *cell, void *ret, size_t size);

/* Store the error result. 0, or -ENOMEM without an exception. */
FS_HIDDEN int fs_py_cell_set_error(struct fs_py_cell *cell, const void *bytes, size_t size);

/* Close the callbacks of an interpreter that ends. */
FS_HIDDEN void fs_py_cells_orphan(struct fs_py_interp *interp);

#endif
