/* SPDX-License-Identifier: MIT */
/* cffi.h - cffi with an allocator of its own: its hooks, and what a record of it has besides */
#ifndef FS_CFFI_H
#define FS_CFFI_H

#include "dropin/block.h"
#include "dropin/record.h"
#include "dropin/stock.h"
#include "py/compat.h"

extern FS_HIDDEN const struct fs_dropin_kind fs_dropin_cffi;

struct fs_cffi {
    PyObject *maker, *arguments; /* maker(*arguments) makes a callback */
    PyObject *withheld;          /* a list: callbacks whose blocks of ours are kept from cffi */
    size_t given;                /* blocks of ours that cffi has ... */
    size_t out;                  /* ... and those of them that are not in its free list */
    size_t most;                 /* callbacks of ours that were alive at a time */
    bool clean;                  /* the free list holds no stock block */
    struct fs_stock stock;
};

extern FS_HIDDEN struct fs_cffi fs_cffis[FS_DROPIN_MODULES];

/* What belongs to this record; all zero in a record of another kind. */
static inline struct fs_cffi *fs_cffi_of(const struct fs_dropin *d)
{
    return &fs_cffis[d->index];
}

/* cffi's callback object, CDataObject_closure; a probe shows that it is. */
struct fs_cffi_callback {
    PyObject_HEAD PyObject *c_type;
    void *c_data;
    PyObject *c_weakreflist;
    struct fs_block *closure;
};

/* While a drained callback is freed: the block that goes into cffi's free list instead. */
extern FS_HIDDEN struct fs_block *fs_cffi_sink;

#endif
