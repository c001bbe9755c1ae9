/* SPDX-License-Identifier: MIT */
/* stock.h - stock blocks, and how cffi counts the memory that it asks for (words: record.h)
 *
 * The GIL is held.
 */
#ifndef FS_STOCK_H
#define FS_STOCK_H

#include "dropin/elf.h"

#include <ffi.h>

/* cffi's block is a union with an ffi_closure in it. On 32-bit machines it is larger: the alignment
 * of 8 is that of the name ffi_closure, and not of the struct. */
enum { FS_STOCK_BLOCK = sizeof(union { ffi_closure closure; }) };

/* Memory that cffi asked for itself after uninstall(), writable and executable. */
struct fs_stock_area {
    uintptr_t start;
    size_t size, blocks;
    size_t live;    /* blocks that a callback lies in ... */
    size_t retired; /* ... and those that cffi will not use again */
};

/* What is known of one cffi's own memory. All zero at first. */
struct fs_stock {
    bool draining;
    size_t refused;         /* when a drain asked for the first time, for this many bytes */
    unsigned long requests; /* how often drains ever asked */

    /* `watched`: since the blocks were counted, all stock callbacks went through our hands. */
    bool watched;
    size_t unknown;     /* blocks that may be live, from before that */
    size_t accounted;   /* of all blocks that cffi has counted, those that are not ... */
    size_t uncounted;   /* ... and those to be added, which it was refused in this drain */
    uintptr_t *drained; /* blocks that a drain found free */
    size_t drained_count, drained_room;
    struct fs_stock_area *areas;
    size_t area_count, area_room;

    /* cffi's own count of the pages that it asked for last; NULL: not found. */
    size_t *pages;
    size_t pages_kept;   /* its value at uninstall() */
    size_t **candidates; /* while it is searched: words that may be it, ... */
    size_t candidate_count;
    unsigned looks; /* ... looked at so often, ... */
    size_t first;   /* ... at first when it was this */
};

/* A drain begins, and ends. */
FS_HIDDEN void fs_stock_begin(struct fs_stock *s);
FS_HIDDEN void fs_stock_end(struct fs_stock *s);

/* cffi asks for `size` bytes in a drain, and is refused them. `object` is the cffi. */
FS_HIDDEN void fs_stock_refuse(struct fs_stock *s, const struct fs_object *object, size_t size);

/* Does the search for cffi's count need to see more requests? */
FS_HIDDEN bool fs_stock_wants_more(const struct fs_stock *s);

/* cffi has got memory of its own. 0 or -ENOMEM. */
FS_HIDDEN int fs_stock_mapped(struct fs_stock *s, void *start, size_t size);

/* A stock callback in this block begins, or ends. */
FS_HIDDEN void fs_stock_begins(struct fs_stock *s, const void *block);
FS_HIDDEN void fs_stock_ends(struct fs_stock *s, const void *block);

/* Retire a block, after fs_stock_reserve() has made room to note it. 0 or -ENOMEM. */
FS_HIDDEN int fs_stock_reserve(struct fs_stock *s);
FS_HIDDEN void fs_stock_retire(struct fs_stock *s, const void *block);

/* After a drain that found all blocks: count what may be live, take the right to execute from pages
 * in which nothing is, give areas back in which nothing is. `writable_code`: may the process have
 * memory that is writable and executable? 0, or -ENOTSUP: cffi counts in a way that is not known.
 */
FS_HIDDEN int fs_stock_settle(struct fs_stock *s, bool writable_code);

/* Remember cffi's count, to which the next fs_stock_settle() sets it back. */
FS_HIDDEN void fs_stock_keep_count(struct fs_stock *s);

/* Stock callbacks that may be live. */
FS_HIDDEN size_t fs_stock_live(const struct fs_stock *s);

#endif
