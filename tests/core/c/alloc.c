/* SPDX-License-Identifier: MIT */
/* alloc.c - the allocator against a model: who is live, where, and that no two closures meet
 *
 * The model is the set of all live closures' cells, keyed by address. Each of these fails at the
 * step at which it happens: two closures that share a cell, an address that changes, an answer that
 * is not the closure's own, a wrong count. The seed is fixed, and may be given as the first
 * argument.
 */
#include "fs_test.h"
#include <signal.h>
#include <sys/wait.h>

static uint64_t seed = 20261122;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Cells in use: open addressing over address / CELL. */
enum { CELLS = 1 << 21 };
static uintptr_t cells[CELLS];

static size_t cell_at(uintptr_t cell)
{
    size_t at = (cell * 0x9e3779b97f4a7c15u) >> 43;
    while (cells[at] && cells[at] != cell)
        at = (at + 1) % CELLS;
    return at;
}

static void take_cell(uintptr_t cell)
{
    size_t at = cell_at(cell);
    if (cells[at])
        test_fail(__FILE__, __LINE__, "%#zx belongs to two closures", (size_t)cell * CELL);
    cells[at] = cell;
}

static void drop_cell(uintptr_t cell)
{
    size_t at = cell_at(cell);
    CHECK(cells[at] == cell);
    cells[at] = 0;
    for (size_t i = (at + 1) % CELLS; cells[i]; i = (i + 1) % CELLS) { /* close the gap */
        uintptr_t moved = cells[i];
        cells[i] = 0;
        cells[cell_at(moved)] = moved;
    }
}

struct one {
    struct made made;
    size_t size;
};
enum { MOST = 130000 };
static struct one ones[MOST];
static size_t live;

static void each_cell(const struct one *one, void (*act)(uintptr_t))
{
    uintptr_t start = (uintptr_t)one->made.closure;
    CHECK_EQ(start % CELL, 0);
    for (uintptr_t at = start; at < start + one->size; at += CELL)
        act(at / CELL);
}

static void take(size_t size)
{
    struct one *one = &ones[live];
    long key = (long)(next() % 1000000);
    one->size = size;
    one->made.key = key - key % KINDS;
    one->made.closure = api.alloc(size, 0, &one->made.code);
    CHECK(one->made.closure != NULL);
    each_cell(one, take_cell);
    unsigned char *rest = (unsigned char *)one->made.closure + sizeof(ffi_static_closure);
    for (size_t i = 0; i < size - sizeof(ffi_static_closure); i++)
        CHECK_EQ(rest[i], 0);
    memset(rest, (int)(one->made.key & 0xff), size - sizeof(ffi_static_closure));
    CHECK_EQ(api.prep(one->made.closure, test_cif(0), test_handler(0), (void *)one->made.key, 0),
             0);
    live++;
}

static void verify(const struct one *one)
{
    test_call_small(&one->made);
    CHECK(api.address(one->made.closure) == one->made.code);
    CHECK(api.from_address(one->made.code) == one->made.closure);
    const unsigned char *rest =
        (const unsigned char *)one->made.closure + sizeof(ffi_static_closure);
    for (size_t i = 0; i < one->size - sizeof(ffi_static_closure); i++)
        if (rest[i] != (one->made.key & 0xff))
            test_fail(__FILE__, __LINE__, "byte %zu of a run of %zu was overwritten", i, one->size);
}

static void drop(size_t i)
{
    verify(&ones[i]);
    each_cell(&ones[i], drop_cell);
    CHECK_EQ(api.release(ones[i].made.closure), 0);
    ones[i] = ones[--live];
}

static size_t single(void)
{
    return sizeof(ffi_static_closure);
}

/* Mostly single slots; runs of any length, the longest included, odd sizes too. */
static size_t any(void)
{
    switch (next() % 8) {
    case 0:
        return CELL + next() % (FFI_STATIC_MAX_SIZE - CELL + 1);
    case 1:
        return CELL + next() % 512;
    case 2:
        return next() % 16 ? 128 : FFI_STATIC_MAX_SIZE;
    default:
        return CELL;
    }
}

static void finish(void)
{
    for (size_t i = 0; i < live; i++)
        verify(&ones[i]);
    CHECK_EQ(api.check(), 0);
    while (live)
        drop(next() % live);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
}

/* A walk that leans towards growth, then towards shrinking, and so on. */
static void walk(size_t steps, size_t most, size_t (*size)(void))
{
    if (test_argc)
        seed = strtoull(test_argv[0], NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    steps = test_scaled(steps);
    for (size_t step = 0; step < steps; step++) {
        unsigned lean = (step / (most / 2 + 1)) % 2 ? 35 : 65;
        if (live < most && (live == 0 || next() % 100 < lean))
            take(size());
        else
            drop(next() % live);
        if (live)
            verify(&ones[next() % live]);
        if (step % (steps / 10 + 1) == 0)
            CHECK_EQ(api.check(), 0);
    }
    finish();
}

CASE(random_single_slots)
{
    walk(400000, 30000, single);
}

CASE(random_runs_and_slots)
{
    walk(200000, 3000, any);
}

CASE(random_within_the_resident_table)
{
    walk(200000, 120, single);
}

static void fill(size_t n)
{
    n = test_scaled(n);
    while (live < n)
        take(CELL);
    CHECK_EQ(test_stats().live, live);
}

CASE(freed_in_the_order_they_were_made)
{
    fill(120000);
    for (size_t i = 0; i < live; i++) {
        verify(&ones[i]);
        each_cell(&ones[i], drop_cell);
        CHECK_EQ(api.release(ones[i].made.closure), 0);
    }
    live = 0;
    finish();
}

CASE(freed_last_first)
{
    fill(120000);
    while (live)
        drop(live - 1);
    finish();
}

CASE(freed_at_random)
{
    fill(120000);
    while (live)
        drop(next() % live);
    finish();
}

CASE(every_second_is_freed_and_made_again)
{
    fill(60000);
    for (int round = 0; round < 4; round++) {
        uint64_t slots = test_stats().slots;
        size_t n = live;
        for (size_t i = n; i >= 2; i -= 2)
            drop(i - 2 + (size_t)(round & 1));
        CHECK_EQ(api.check(), 0);
        while (live < n)
            take(CELL);
        CHECK_EQ(test_stats().slots, slots); /* the holes were used */
    }
    finish();
}

/* Each size of a run in turn, many at a time, among single slots. */
CASE(runs_of_every_size)
{
    for (size_t size = CELL; size <= FFI_STATIC_MAX_SIZE;
         size += test_scaled(128) > 2 ? CELL : 1024) {
        for (int i = 0; i < 6; i++) {
            take(size);
            take(CELL);
        }
        for (int i = 0; i < 2; i++)
            drop(next() % live);
    }
    finish();
}

/* A run may lie over the slots whose trampolines are not there. When it goes, what its owner left
 * in them must not look like a closure. */
CASE(what_a_freed_run_leaves_is_no_closure)
{
    enum { LARGE = FFI_STATIC_MAX_SIZE, RUNS = 64 };
    void *code, *block[RUNS];
    for (int i = 0; i < RUNS; i++) { /* two tables full: every hole is inside one of them */
        block[i] = api.alloc(LARGE, 0, &code);
        CHECK(block[i] != NULL);
        void **words = (void **)((char *)block[i] + sizeof(ffi_static_closure));
        for (size_t w = 0; w < (LARGE - sizeof(ffi_static_closure)) / sizeof *words; w++)
            words[w] = code; /* as good a pointer as any */
    }
    CHECK_EQ(api.check(), 0);
    for (int i = 0; i < RUNS; i++) {
        CHECK(api.address(block[i]) != NULL);
        for (size_t at = CELL; at < LARGE; at += CELL)
            CHECK(api.address((ffi_static_closure *)(void *)((char *)block[i] + at)) == NULL);
        CHECK_EQ(api.release(block[i]), 0);
        for (size_t at = 0; at < LARGE; at += CELL)
            CHECK(api.address((ffi_static_closure *)(void *)((char *)block[i] + at)) == NULL);
        CHECK_EQ(api.check(), 0);
    }
    CHECK_EQ(test_stats().live, 0);
}

/* A run is freed and its last slot written to: ffi_static_check() says so. A debug build finds it
 * by itself after the next operation that takes the lock, the making of another run, and aborts. */
CASE(a_write_to_a_freed_closure_is_found)
{
    enum { SLOT = CELL, RUN = 8 * SLOT };
    void *code;
    char *run = (char *)api.alloc(RUN, 0, &code);
    CHECK(run != NULL);
    CHECK_EQ(api.release((ffi_static_closure *)(void *)run), 0);
    void **word = (void **)(void *)(run + RUN - SLOT), *freed = *word;
    *word = code;
    CHECK_EQ(api.check(), -EUCLEAN);
    CHECK_HAS(api.error(), "a free slot was written to (use after free?)");
    pid_t child = fork();
    if (child == 0) {
        void *other = api.alloc(2 * SLOT, 0, &code);
        _exit(other == (void *)run ? 0 : 1); /* beside it, so that the slot stays free */
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
#ifdef FS_DEBUG
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
    *word = freed;
    CHECK_EQ(api.check(), 0);
}
