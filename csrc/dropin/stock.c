/* SPDX-License-Identifier: MIT */
/* stock.c - stock blocks, and cffi's count of the pages that it asked for (words: record.h)
 *
 * cffi gives no block back, and asks for 1.3 times as many pages each time. Requests that a drain
 * refuses count as well, and so does memory that was given back to the system. So a process that
 * installs and uninstalls again and again would ask for more and more. Therefore cffi's count, a
 * variable inside cffi, is found by watching what cffi asks for, and is set back.
 *
 * Between uninstall() and install() cffi asks the system for memory itself. Such areas are noted
 * and their blocks counted, so that an area can be unmapped in which no callback lies.
 *
 * Fails when the count is not found: then it grows by 1.3 with each round, and nothing else is
 * different.
 */
#include "dropin/stock.h"

#include "py/cell.h"

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

/* What the count was before it became `pages`, and how many blocks cffi had made by then. 0, or -1
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

/* Restore a word that was taken for the count and did not prove to be it. */
static void undo(struct fs_stock *s)
{
    size_t previous, blocks;
    if (s->looks != LOOKS - 1 || s->candidate_count != 1 ||
        before(s->first, &previous, &blocks) < 0 || *s->candidates[0] != previous)
        return;
    *s->candidates[0] = after(after(s->first));
}

static void give_up(struct fs_stock *s)
{
    free(s->candidates);
    s->candidates = NULL;
    s->candidate_count = 0;
    s->looks = LOOKS;
}

static void find_candidates(struct fs_stock *s, const struct fs_object *object, size_t pages)
{
    void *start;
    size_t size;
    s->candidates = malloc(CANDIDATES * sizeof *s->candidates);
    for (unsigned i = 0; s->candidates && fs_object_data(object, i, &start, &size); i++) {
        size_t *word = (size_t *)(((uintptr_t)start + sizeof *word - 1) & -sizeof *word);
        for (; (uintptr_t)(word + 1) <= (uintptr_t)start + size; word++)
            if (*(volatile size_t *)word == pages && s->candidate_count < CANDIDATES)
                s->candidates[s->candidate_count++] = word;
    }
}

static void filter(struct fs_stock *s, size_t pages)
{
    size_t left = 0;
    for (size_t i = 0; i < s->candidate_count; i++)
        if (*(volatile size_t *)s->candidates[i] == pages)
            s->candidates[left++] = s->candidates[i];
    s->candidate_count = left;
}

/* The first three requests: keep the words that change as the requests do. */
static void follow(struct fs_stock *s, const struct fs_object *object, size_t pages)
{
    size_t previous, blocks;
    if (s->looks == 0) {
        s->first = pages;
        find_candidates(s, object, pages);
    } else {
        filter(s, pages);
    }
    bool known = before(s->first, &previous, &blocks) == 0;
    if (!known || !s->candidate_count || (s->looks == LOOKS - 2 && s->candidate_count > 1)) {
        give_up(s);
        return;
    }
    s->looks++;
    if (s->looks == LOOKS - 1)
        *s->candidates[0] = previous;
}

/* The fourth request must be as large as the one word that is left says. */
static void confirm(struct fs_stock *s, size_t pages)
{
    size_t previous, blocks;
    if (pages == s->first && *s->candidates[0] == pages && before(pages, &previous, &blocks) == 0) {
        s->pages = s->candidates[0];
        *s->pages = previous;
        s->uncounted = 0;
    } else {
        undo(s);
    }
    give_up(s);
}

bool fs_stock_wants_more(const struct fs_stock *s)
{
    return s->looks > 0 && s->looks < LOOKS;
}

/* ---- a drain ----------------------------------------------------------------------------- */

void fs_stock_begin(struct fs_stock *s)
{
    if (s->looks < LOOKS) { /* an earlier one may have begun to search */
        undo(s);
        give_up(s);
        s->looks = 0;
    }
    s->drained_count = 0;
    s->refused = 0;
    fs_py_add(&s->accounted, s->uncounted);
    s->uncounted = 0;
    fs_py_store(&s->draining, true);
}

void fs_stock_end(struct fs_stock *s)
{
    fs_py_store(&s->draining, false);
}

void fs_stock_refuse(struct fs_stock *s, const struct fs_object *object, size_t size)
{
    size_t pages = size / page_size(), previous, blocks;
    s->requests++;
    if (!s->refused)
        s->refused = size;
    if (s->pages) {
        if (*s->pages == pages && before_request(size, &previous, &blocks) == 0) {
            *s->pages = previous;
            return;
        }
        s->pages = NULL; /* it is not the count, after all */
    }
    s->uncounted += size / FS_STOCK_BLOCK;
    if (s->looks < LOOKS - 1)
        follow(s, object, pages);
    else if (s->looks < LOOKS)
        confirm(s, pages);
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

static struct fs_stock_area *area_of(struct fs_stock *s, const void *block)
{
    for (size_t i = 0; i < s->area_count; i++)
        if ((uintptr_t)block - s->areas[i].start < s->areas[i].size)
            return &s->areas[i];
    return NULL;
}

int fs_stock_mapped(struct fs_stock *s, void *start, size_t size)
{
    fs_py_cells_lock();
    void *areas = grown(s->areas, s->area_count, &s->area_room, sizeof *s->areas);
    if (areas) {
        s->areas = areas;
        s->areas[s->area_count++] = (struct fs_stock_area){
            .start = (uintptr_t)start, .size = size, .blocks = size / FS_STOCK_BLOCK};
        fs_py_add(&s->accounted, size / FS_STOCK_BLOCK);
    }
    fs_py_cells_unlock();
    return areas ? 0 : -ENOMEM;
}

static size_t *live_with(struct fs_stock *s, const void *block)
{
    struct fs_stock_area *area = area_of(s, block);
    return area ? &area->live : &s->unknown;
}

void fs_stock_begins(struct fs_stock *s, const void *block)
{
    fs_py_cells_lock();
    ++*live_with(s, block);
    fs_py_cells_unlock();
}

void fs_stock_ends(struct fs_stock *s, const void *block)
{
    fs_py_cells_lock();
    size_t *live = live_with(s, block);
    if (*live)
        --*live;
    fs_py_cells_unlock();
}

int fs_stock_reserve(struct fs_stock *s)
{
    if (!fs_py_load(&s->draining))
        return 0;
    fs_py_cells_lock();
    void *drained = grown(s->drained, s->drained_count, &s->drained_room, sizeof *s->drained);
    if (drained)
        s->drained = drained;
    fs_py_cells_unlock();
    return drained ? 0 : -ENOMEM;
}

void fs_stock_retire(struct fs_stock *s, const void *block)
{
    fs_py_cells_lock();
    struct fs_stock_area *area = area_of(s, block);
    if (area) {
        area->retired++;
    } else {
        fs_py_add(&s->accounted, 1);
        /* Without the GIL two threads may have reserved the same room. */
        if (fs_py_load(&s->draining) && s->drained_count < s->drained_room)
            s->drained[s->drained_count++] = (uintptr_t)block;
    }
    fs_py_cells_unlock();
}

size_t fs_stock_live(const struct fs_stock *s)
{
    fs_py_cells_lock();
    size_t live = s->unknown;
    for (size_t i = 0; i < s->area_count; i++)
        live += s->areas[i].live;
    fs_py_cells_unlock();
    return live;
}

/* ---- the end of a drain -------------------------------------------------------------------- */

static int in_order(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Take the right to execute from all pages of the blocks that were found. Only when cffi has no
 * other blocks: then each page holds free blocks and nothing else. */
static void retire_pages(const struct fs_stock *s)
{
    const uintptr_t page = page_size();
    uintptr_t done = 0;
    if (s->drained_count)
        qsort(s->drained, s->drained_count, sizeof *s->drained, in_order);
    for (size_t i = 0; i < s->drained_count; i++) {
        uintptr_t at = s->drained[i] & -page;
        uintptr_t end = (s->drained[i] + FS_STOCK_BLOCK + page - 1) & -page;
        for (at = at < done ? done : at; at < end; at += page)
            (void)mprotect((void *)at, page, PROT_READ | PROT_WRITE);
        done = end;
    }
}

/* Unmap the areas whose blocks are all retired. A block that a thread has just taken and not yet
 * prepared is not retired. */
static void unmap_areas(struct fs_stock *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->area_count; i++) {
        struct fs_stock_area *a = &s->areas[i];
        if (a->retired != a->blocks || munmap((void *)a->start, a->size) != 0)
            s->areas[left++] = *a;
    }
    s->area_count = left;
}

/* Let cffi ask for as much the next time as it would have at uninstall(). */
static void set_back(struct fs_stock *s)
{
    size_t unused, now, then;
    if (!s->pages || !s->pages_kept || *s->pages <= s->pages_kept)
        return;
    if (before(after(*s->pages), &unused, &now) < 0 ||
        before(after(s->pages_kept), &unused, &then) < 0 || now - then > s->accounted)
        return;
    fs_py_add(&s->accounted, then - now);
    *s->pages = s->pages_kept;
}

void fs_stock_keep_count(struct fs_stock *s)
{
    if (s->pages)
        s->pages_kept = *s->pages;
}

int fs_stock_settle(struct fs_stock *s, bool writable_code)
{
    size_t unused, all = 0;
    int error = 0;
    if (!s->watched) {
        error = before_request(s->refused, &unused, &all);
        s->unknown = writable_code && error == 0 && all > s->accounted ? all - s->accounted : 0;
        if (error == 0 && !s->unknown)
            retire_pages(s);
        s->watched = true;
    } else {
        set_back(s);
    }
    fs_py_cells_lock();
    unmap_areas(s);
    uintptr_t *drained = s->drained;
    s->drained = NULL;
    s->drained_count = s->drained_room = 0;
    fs_py_cells_unlock();
    free(drained);
    if (error == 0 || !writable_code)
        return 0;
    s->watched = false;
    return -ENOTSUP;
}
