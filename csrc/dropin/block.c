/* SPDX-License-Identifier: MIT */
/* block.c - where blocks of ours lie
 *
 * Fails when: the system gives no memory, or cffi has asked for memory 4096 times.
 */
#include "dropin/block.h"

#include <sys/mman.h>

/* cffi asks for 1.3 times as much memory each time. Blocks in place of stock blocks come as many at
 * a time. */
enum { AREAS = 4096, AREA_BYTES = 1 << 18 };
static struct area {
    uintptr_t start;
    size_t size;
} areas[AREAS];
static unsigned area_count;
static struct fs_block *unused; /* linked by their first word */

bool fs_block_is_ours(const void *block)
{
    for (unsigned i = area_count; i-- > 0;)
        if ((uintptr_t)block - areas[i].start < areas[i].size)
            return true;
    return false;
}

void *fs_block_area(size_t size)
{
    if (area_count == AREAS) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        areas[area_count++] = (struct area){(uintptr_t)p, size};
    return p;
}

void fs_block_undo(struct fs_block *b)
{
    b->link = unused;
    unused = b;
}

struct fs_block *fs_block_new(void)
{
    if (!unused) {
        struct fs_block *b = fs_block_area(AREA_BYTES);
        if ((void *)b == MAP_FAILED)
            return NULL;
        for (size_t i = AREA_BYTES / sizeof *b; i-- > 0;)
            fs_block_undo(&b[i]);
    }
    struct fs_block *b = unused;
    unused = b->link;
    return b;
}
