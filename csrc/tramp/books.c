/* SPDX-License-Identifier: MIT */
/* books.c - chunks of anonymous memory, handed out from the front (see books.h)
 *
 * Fails when: mmap() does, at RLIMIT_AS, RLIMIT_DATA or vm.max_map_count.
 */
#include "tramp/books.h"

#include "base/lock.h"

#include <sys/mman.h>

#define ALIGN _Alignof(max_align_t)

struct chunk {
    struct chunk *older;
    size_t size, used;
};

static struct chunk *newest;

static size_t rounded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/* A chunk with room for `size` bytes at least. */
static struct chunk *map_chunk(size_t size)
{
    size_t whole = rounded(sizeof(struct chunk)) + size;
    whole = (whole + FS_BOOKS_CHUNK - 1) / FS_BOOKS_CHUNK * FS_BOOKS_CHUNK;
    struct chunk *c = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return NULL;
    c->older = newest;
    c->size = whole;
    c->used = rounded(sizeof *c);
    fs_step();
    return newest = c;
}

void *fs_books_take(size_t size)
{
    struct chunk *c = newest;
    size = rounded(size);
    if (!c || c->size - c->used < size)
        c = map_chunk(size);
    if (!c)
        return NULL;
    void *taken = (char *)c + c->used;
    c->used += size;
    fs_step(); /* nothing is kept in what a forked child would hand out again */
    return taken;
}

void fs_books_release(void)
{
    while (newest) {
        struct chunk *older = newest->older;
        munmap(newest, newest->size);
        newest = older;
    }
}
