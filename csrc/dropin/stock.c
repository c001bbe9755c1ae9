/* SPDX-License-Identifier: MIT */
/* stock.c - blocks of cffi's own, and cffi's count of the pages that it asked for
 *
 * cffi gives no block back, and asks for 1.3 times as many pages each time. So a process that
 * installs and uninstalls again and again would ask for more and more, if what a drain refuses
 * counted, and what was given back to the system. Therefore cffi's count, a variable of its, is
 * found by what it asks for, and set back.
 *
 * Between uninstall() and install() cffi asks the system itself. Such areas are known from then on,
 * and their blocks counted, so that an area can be unmapped in which no callback lies.
 *
 * Fails when the count is not found: then it grows by 1.3 with each round, and nothing else is
 * different.
 */
#include "dropin/record.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOOKS = 4, CANDIDATES = 4096 }; /* three to find the count, one to see that it is */

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t blocks_in(size_t pages)
{
    return pages * page_size() / FS_STOCK_BLOCK;
}

/* malloc_closure.h: each time 1.3 times as many pages as before, and one. */
static size_t after(size_t pages)
{
    return 1 + (size_t)((double)pages * 1.3);
}

/* What the count was before it became `pages`, and how many blocks were made up to there. 0, or -1
 * when cffi counts in another way. */
static int before(size_t pages, size_t *previous, size_t *blocks)
{
    size_t now = 0;
    *previous = 0;
    *blocks = 0;
    while (after(now) < pages) {
        now = after(now);
        *blocks += blocks_in(now);
    }
    *previous = now;
    return after(now) == pages ? 0 : -1;
}

/* The same for a request of `size` bytes. */
static int before_request(size_t size, size_t *previous, size_t *blocks)
{
    int error = before(size / page_size(), previous, blocks);
    return size % page_size() ? -1 : error;
}

/* ---- the search ------------------------------------------------------------------------ */

/* Put a word back that was taken for the count, and did not show that it is. */
static void undo(struct fs_dropin_cffi *c)
{
    size_t previous, blocks;
    if (c->looks != LOOKS - 1 || c->candidate_count != 1 ||
        before(c->first, &previous, &blocks) < 0 || *c->candidates[0] != previous)
        return;
    *c->candidates[0] = after(after(c->first));
}

static void give_up(struct fs_dropin_cffi *c)
{
    free(c->candidates);
    c->candidates = NULL;
    c->candidate_count = 0;
    c->looks = LOOKS;
}

static void collect(struct fs_dropin *d, size_t pages)
{
    struct fs_dropin_cffi *c = &d->cffi;
    void *start;
    size_t size;
    c->candidates = malloc(CANDIDATES * sizeof *c->candidates);
    for (unsigned i = 0; c->candidates && fs_object_data(&d->object, i, &start, &size); i++) {
        size_t *word = (size_t *)(((uintptr_t)start + sizeof *word - 1) & -sizeof *word);
        for (; (uintptr_t)(word + 1) <= (uintptr_t)start + size; word++)
            if (*(volatile size_t *)word == pages && c->candidate_count < CANDIDATES)
                c->candidates[c->candidate_count++] = word;
    }
}

static void filter(struct fs_dropin_cffi *c, size_t pages)
{
    size_t left = 0;
    for (size_t i = 0; i < c->candidate_count; i++)
        if (*(volatile size_t *)c->candidates[i] == pages)
            c->candidates[left++] = c->candidates[i];
    c->candidate_count = left;
}

/* The first three requests leave the words that followed them. */
static void follow(struct fs_dropin *d, size_t pages)
{
    struct fs_dropin_cffi *c = &d->cffi;
    size_t previous, blocks;
    if (c->looks == 0) {
        c->first = pages;
        collect(d, pages);
    } else {
        filter(c, pages);
    }
    int known = before(c->first, &previous, &blocks) == 0;
    if (!known || !c->candidate_count || (c->looks == LOOKS - 2 && c->candidate_count > 1)) {
        give_up(c);
        return;
    }
    c->looks++;
    if (c->looks == LOOKS - 1)
        *c->candidates[0] = previous;
}

/* The fourth is what the one word says that is left. */
static void confirm(struct fs_dropin_cffi *c, size_t pages)
{
    size_t previous, blocks;
    if (pages == c->first && *c->candidates[0] == pages && before(pages, &previous, &blocks) == 0) {
        c->pages = c->candidates[0];
        *c->pages = previous;
        c->uncounted = 0;
    } else {
        undo(c);
    }
    give_up(c);
}

int fs_stock_wants_more(const struct fs_dropin *d)
{
    return d->cffi.looks > 0 && d->cffi.looks < LOOKS;
}

/* ---- a drain ----------------------------------------------------------------------------- */

void fs_stock_begin(struct fs_dropin *d)
{
    struct fs_dropin_cffi *c = &d->cffi;
    if (c->looks < LOOKS) { /* an earlier one may have begun to search */
        undo(c);
        give_up(c);
        c->looks = 0;
    }
    c->drained_count = 0;
    c->refused = 0;
    c->accounted += c->uncounted;
    c->uncounted = 0;
}

void fs_stock_refuse(struct fs_dropin *d, size_t size)
{
    struct fs_dropin_cffi *c = &d->cffi;
    size_t pages = size / page_size(), previous, blocks;
    c->requests++;
    if (!c->refused)
        c->refused = size;
    if (c->pages) {
        if (*c->pages == pages && before_request(size, &previous, &blocks) == 0) {
            *c->pages = previous;
            return;
        }
        c->pages = NULL; /* it was not, after all */
    }
    c->uncounted += size / FS_STOCK_BLOCK;
    if (c->looks < LOOKS - 1)
        follow(d, pages);
    else if (c->looks < LOOKS)
        confirm(c, pages);
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* Room for one more in a growing array. */
static void *grown(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    size_t more = *room ? 2 * *room : 64;
    void *larger = realloc(array, more * size);
    if (larger)
        *room = more;
    return larger;
}

static struct fs_stock_area *area_of(struct fs_dropin_cffi *c, const void *block)
{
    for (size_t i = 0; i < c->area_count; i++)
        if ((uintptr_t)block - c->areas[i].start < c->areas[i].size)
            return &c->areas[i];
    return NULL;
}

int fs_stock_mapped(struct fs_dropin *d, void *start, size_t size)
{
    struct fs_dropin_cffi *c = &d->cffi;
    void *areas = grown(c->areas, c->area_count, &c->area_room, sizeof *c->areas);
    if (!areas)
        return -ENOMEM;
    c->areas = areas;
    c->areas[c->area_count++] = (struct fs_stock_area){
        .start = (uintptr_t)start, .size = size, .blocks = size / FS_STOCK_BLOCK};
    c->accounted += size / FS_STOCK_BLOCK;
    return 0;
}

void fs_stock_live(struct fs_dropin *d, const void *block, int change)
{
    struct fs_stock_area *area = area_of(&d->cffi, block);
    size_t *live = area ? &area->live : &d->cffi.unknown;
    if (change > 0)
        ++*live;
    else if (*live)
        --*live;
}

int fs_stock_reserve(struct fs_dropin *d)
{
    struct fs_dropin_cffi *c = &d->cffi;
    if (!c->draining)
        return 0;
    void *drained = grown(c->drained, c->drained_count, &c->drained_room, sizeof *c->drained);
    if (!drained)
        return -ENOMEM;
    c->drained = drained;
    return 0;
}

void fs_stock_gone(struct fs_dropin *d, const void *block)
{
    struct fs_dropin_cffi *c = &d->cffi;
    struct fs_stock_area *area = area_of(c, block);
    if (area) {
        area->gone++;
        return;
    }
    c->accounted++;
    if (c->draining)
        c->drained[c->drained_count++] = (uintptr_t)block;
}

size_t fs_stock_leftover(const struct fs_dropin *d)
{
    size_t live = d->cffi.unknown;
    for (size_t i = 0; i < d->cffi.area_count; i++)
        live += d->cffi.areas[i].live;
    return live;
}

/* ---- the end of a drain -------------------------------------------------------------------- */

static int in_order(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Take the right to execute from all pages of the blocks that were found. Only when cffi has no
 * others: each page then holds free blocks and nothing else. */
static void retire_pages(const struct fs_dropin_cffi *c)
{
    const uintptr_t page = page_size();
    uintptr_t done = 0;
    if (c->drained_count)
        qsort(c->drained, c->drained_count, sizeof *c->drained, in_order);
    for (size_t i = 0; i < c->drained_count; i++) {
        uintptr_t at = c->drained[i] & -page;
        uintptr_t end = (c->drained[i] + FS_STOCK_BLOCK + page - 1) & -page;
        for (at = at < done ? done : at; at < end; at += page)
            (void)mprotect((void *)at, page, PROT_READ | PROT_WRITE);
        done = end;
    }
}

/* Unmap the areas of which cffi will use no block again; a block that a thread has just taken, and
 * not yet prepared, is not among those. */
static void unmap_areas(struct fs_dropin_cffi *c)
{
    size_t left = 0;
    for (size_t i = 0; i < c->area_count; i++) {
        struct fs_stock_area *a = &c->areas[i];
        if (a->gone != a->blocks || munmap((void *)a->start, a->size) != 0)
            c->areas[left++] = *a;
    }
    c->area_count = left;
}

/* Let cffi ask for as much the next time as it would have at uninstall(). */
static void set_back(struct fs_dropin_cffi *c)
{
    size_t unused, now, then;
    if (!c->pages || !c->pages_kept || *c->pages <= c->pages_kept)
        return;
    if (before(after(*c->pages), &unused, &now) < 0 ||
        before(after(c->pages_kept), &unused, &then) < 0 || now - then > c->accounted)
        return;
    c->accounted -= now - then;
    *c->pages = c->pages_kept;
}

int fs_stock_retire(struct fs_dropin *d, int writable_code)
{
    struct fs_dropin_cffi *c = &d->cffi;
    size_t unused, all = 0;
    int error = 0;
    if (!c->watched) {
        error = before_request(c->refused, &unused, &all);
        c->unknown = writable_code && error == 0 && all > c->accounted ? all - c->accounted : 0;
        if (error == 0 && !c->unknown)
            retire_pages(c);
        c->watched = 1;
    } else {
        set_back(c);
    }
    unmap_areas(c);
    free(c->drained);
    c->drained = NULL;
    c->drained_count = c->drained_room = 0;
    if (error == 0 || !writable_code)
        return 0;
    c->watched = 0;
    PyErr_SetString(PyExc_RuntimeError, "its memory for closures grows in an unknown way");
    return -1;
}
