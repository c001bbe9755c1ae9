/* SPDX-License-Identifier: MIT */
/* block.h - blocks of ours, which cffi takes for its own
 *
 * cffi's block, an ffi_closure, lies in memory that is writable and executable. Ours lies in memory
 * that is only writable, and has the words that cffi reads.
 */
#ifndef FS_BLOCK_H
#define FS_BLOCK_H

#include "base/base.h"
#include "dropin/stock.h"

#include <ffi.h>

#include "ffi_static.h"

/* Word 0 is cffi's link while the block is free. A block keeps the slot that it was given first,
 * and the slot keeps its cell, as cffi keeps its blocks. */
struct fs_block {
    void *link;
    ffi_static_closure *slot;
    uintptr_t use; /* enum fs_block_use */
    char spare[offsetof(ffi_closure, cif) - 3 * sizeof(void *)];
    ffi_cif *cif;
    ffi_static_handler handler;
    void *user_data;
} __attribute__((aligned(_Alignof(ffi_closure))));
enum fs_block_use { FS_BLOCK_FREE, FS_BLOCK_LIVE, FS_BLOCK_DRAINED /* not counted as made */ };
_Static_assert(sizeof(struct fs_block) == FS_STOCK_BLOCK, "a block is as large as cffi's");
_Static_assert(offsetof(struct fs_block, user_data) == offsetof(ffi_closure, user_data),
               "a block's words are where those of an ffi_closure are");

/* Is this block one of ours? */
FS_HIDDEN bool fs_block_is_ours(const void *block);

/* Memory for blocks, as cffi asks mmap() for it; MAP_FAILED with errno. Never given back. */
FS_HIDDEN void *fs_block_area(size_t size);

/* A block of ours that cffi has not had yet; NULL: no memory. fs_block_undo() takes it back. */
FS_HIDDEN struct fs_block *fs_block_new(void);
FS_HIDDEN void fs_block_undo(struct fs_block *block);

#endif
