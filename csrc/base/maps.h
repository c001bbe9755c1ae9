/* SPDX-License-Identifier: MIT */
/* maps.h - what the kernel says is mapped at an address (proc(5), /proc/pid/maps)
 *
 * Reads with read(2) into the caller's struct: no memory is allocated, a small stack is enough, and
 * no descriptor stays open. Needs no lock; opening and reading are cancellation points.
 */
#ifndef FS_MAPS_H
#define FS_MAPS_H

#include "base/base.h"

#include <limits.h>
#include <sys/types.h>

struct fs_maps_reader {
    int fd;
    size_t have, at; /* of buffer[] */
    char buffer[4096];
    char line[PATH_MAX + 128];
};

/* What a look-up answers, and the room that it needs: three pages and more. */
struct fs_map {
    uintptr_t start, end;
    char perms[5];
    uint64_t offset; /* of `start` in the file */
    dev_t dev;
    uint64_t inode; /* 0: anonymous */
    char path[PATH_MAX];
    struct fs_maps_reader reader;
};

/* Find the first mapping of which `is_it` says yes; on failure *out is of no use. -EFAULT when
 * there is none, -ENAMETOOLONG when its path does not fit, or what opening or reading
 * /proc/self/maps answered. */
FS_HIDDEN int fs_maps_search(bool (*is_it)(const struct fs_map *m, const void *data),
                             const void *data, struct fs_map *out);

/* Find the mapping that holds `address`. Errors as above. */
FS_HIDDEN int fs_maps_find(const void *address, struct fs_map *out);

#endif
