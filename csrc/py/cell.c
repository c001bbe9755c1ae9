/* SPDX-License-Identifier: MIT */
/* cell.c - the part of a callback that C threads may read without the GIL
 *
 * A closure's user_data is not a pointer to a Python object but a ticket: the index of a cell and
 * the cell's generation. A thread may wait for the GIL with a ticket, while another thread closes
 * the callback and a third thread makes a new callback in the same cell. The first thread then sees
 * another generation, and returns without running the wrong function.
 */
#include "py/cell.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct fs_py_cell *fs_py_slabs[FS_PY_SLABS];
static uint32_t used; /* cells that were handed out at least once */
static struct fs_py_cell *free_cells[FS_PY_TENANTS];

static struct fs_py_cell *cell_at(uint32_t index)
{
    return fs_py_cell_of((void *)(uintptr_t)index);
}

/* Threads may be here at once that no common GIL orders: those of a build without one, and those of
 * interpreters that have a GIL of their own, with ctypes, which the drop-in serves. */
static uint32_t busy; /* 0 or 1, atomic */

void fs_py_cells_lock(void)
{
    while (FS_PY_OWN_GILS && __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

void fs_py_cells_unlock(void)
{
    if (FS_PY_OWN_GILS)
        __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

void fs_py_cell_renew(struct fs_py_cell *cell)
{
    __atomic_store_n(&cell->generation, cell->generation + 1, __ATOMIC_RELEASE);
    if (fs_unlikely(cell->error_size > sizeof cell->error.bytes))
        free(cell->error.pointer);
    cell->error_size = 0;
    cell->has_error = false;
    cell->is_object = false;
}

/* A cell that was never used. */
static FS_COLD struct fs_py_cell *fresh_cell(enum fs_py_tenant tenant)
{
    if (used == (uint32_t)FS_PY_SLABS * FS_PY_SLAB_CELLS)
        return NULL;
    if (!fs_py_slabs[used >> FS_PY_SLAB_SHIFT]) {
        void *slab = calloc(FS_PY_SLAB_CELLS, sizeof(struct fs_py_cell));
        if (!slab)
            return NULL;
        fs_py_slabs[used >> FS_PY_SLAB_SHIFT] = slab;
    }
    struct fs_py_cell *cell = cell_at(used);
    cell->index = used++;
    cell->tenant = (uint8_t)tenant;
    return cell;
}

static struct fs_py_cell *new_cell(enum fs_py_tenant tenant)
{
    struct fs_py_cell *cell = free_cells[tenant];
    if (fs_unlikely(!cell))
        return fresh_cell(tenant);
    free_cells[tenant] = cell->next;
    fs_py_cell_renew(cell);
    return cell;
}

struct fs_py_cell *fs_py_cell_new(enum fs_py_tenant tenant, unsigned long *count)
{
    fs_py_cells_lock();
    struct fs_py_cell *cell = new_cell(tenant);
    if (cell && count)
        fs_py_add(count, 1);
    fs_py_cells_unlock();
    return cell;
}

void fs_py_cell_free(struct fs_py_cell *cell, unsigned long *count)
{
    fs_py_cells_lock();
    if (count)
        fs_py_add(count, 1);
    fs_py_store(&cell->callback, NULL);
    if (!fs_py_cell_is_worn(cell)) {
        cell->next = free_cells[cell->tenant];
        free_cells[cell->tenant] = cell;
    }
    fs_py_cells_unlock();
}

int fs_py_cell_set_error(struct fs_py_cell *cell, const void *bytes, size_t size)
{
    void *to = cell->error.bytes;
    if (size > sizeof cell->error.bytes) {
        to = malloc(size);
        if (!to)
            return -ENOMEM;
        cell->error.pointer = to;
    }
    memcpy(to, bytes, size);
    cell->error_size = (uint32_t)size;
    return 0;
}

void fs_py_cell_error(const struct fs_py_cell *cell, void *ret, size_t size)
{
    size_t have = cell->error_size < size ? cell->error_size : size;
    const void *from =
        cell->error_size > sizeof cell->error.bytes ? cell->error.pointer : cell->error.bytes;
    memcpy(ret, from, have);
    memset((char *)ret + have, 0, size - have);
}

void fs_py_cells_orphan(struct fs_py_interp *interp)
{
    fs_py_cells_lock();
    for (uint32_t i = 0; i < used; i++) {
        struct fs_py_cell *cell = cell_at(i);
        if (cell->tenant == FS_PY_CALLBACKS && cell->own.interp == interp)
            fs_py_store(&cell->callback, NULL);
    }
    fs_py_cells_unlock();
}
