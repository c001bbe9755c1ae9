/* SPDX-License-Identifier: MIT */
/* cffi.h - cffi's blocks and callback objects, and who makes ours: cffi.c, drain.c
 */
#ifndef FS_CFFI_H
#define FS_CFFI_H

#include "dropin/record.h"

/* cffi's ffi_closure. Word 0 is its link while the block is free. A block keeps the slot that it
 * was given first, and the slot its cell, as cffi keeps its blocks. */
struct block {
    void *link;
    ffi_static_closure *slot;
    void *code;    /* the slot's */
    uintptr_t use; /* enum use */
    ffi_cif *cif;
    ffi_static_handler handler;
    void *user_data;
};
enum use { FREE, LIVE, DRAINED }; /* made by a drain: does not count */
_Static_assert(sizeof(struct block) == sizeof(ffi_closure), "a block is an ffi_closure");
_Static_assert(sizeof(struct block) == FS_STOCK_BLOCK, "and counted as one");
_Static_assert(offsetof(struct block, user_data) == offsetof(ffi_closure, user_data), "its words");

/* cffi's callback object, CDataObject_closure; a probe shows that it is. */
struct callback {
    PyObject_HEAD PyObject *c_type;
    void *c_data;
    PyObject *c_weakreflist;
    struct block *closure;
};

/* Is this block one of ours? */
int fs_cffi_is_ours(const void *block);

/* A block of ours that cffi has not had yet; NULL: no memory. */
struct block *fs_cffi_take_spare(void);

/* While a drained callback is freed: the block that goes into cffi's free list in its place. */
extern FS_PY_LOCAL struct block *fs_cffi_sink;

#endif
