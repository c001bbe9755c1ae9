/* SPDX-License-Identifier: MIT */
/* block.c - where blocks of ours lie
 *
 * Fails when: the system gives no memory, or cffi has asked for memory 4096 times.
 */
#include "dropin/block.h"

#include "py/cell.h"

#include <sys/mman.h>

/* cffi asks for 1.3 times as much memory each time. Blocks in place of stock blocks come as many at
 * a time. */
enum { AREAS = 4096, AREA_BYTES = 1 << 18 };
static struct area {
    uintptr_t start;
    size_t size;
} areas[AREAS];
static unsigned area_count;
static struct fs_block *unused; /* linked by their first word; the cells' lock guards it */

bool fs_block_is_ours(const void *block)
{
    for (unsigned i = fs_py_load(&area_count); i-- > 0;)
        if ((uintptr_t)block - areas[i].start < areas[i].size)
            return true;
    return false;
}

void *fs_block_area(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return p;
    fs_py_cells_lock();
    bool full = area_count == AREAS;
    if (!full) {
        areas[area_count] = (struct area){(uintptr_t)p, size};
        fs_py_store(&area_count, area_count + 1);
    }
    fs_py_cells_unlock();
    if (full) {
        munmap(p, size);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return p;
}

static void put(struct fs_block *b, size_t count)
{
    fs_py_cells_lock();
    while (count-- > 0) {
        b[count].link = unused;
        unused = &b[count];
    }
    fs_py_cells_unlock();
}

void fs_block_undo(struct fs_block *b)
{
    put(b, 1);
}

static struct fs_block *get(void)
{
    fs_py_cells_lock();
    struct fs_block *b = unused;
    if (b)
        unused = b->link;
    fs_py_cells_unlock();
    return b;
}

struct fs_block *fs_block_new(void)
{
    struct fs_block *b = get(), *more;
    while (!b) {
        more = fs_block_area(AREA_BYTES);
        if ((void *)more == MAP_FAILED)
            return NULL;
        put(more, AREA_BYTES / sizeof *more);
        b = get();
    }
    return b;
}
