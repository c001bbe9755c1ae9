/* SPDX-License-Identifier: MIT */
/* table.c - making a table: reserve, ask the providers, compare, add the data
 *
 * The address is reserved first, PROT_NONE, so that a provider that fails half-way leaves
 * nothing behind, and so that code and data are always at their fixed distance.
 */
#include "tramp/table.h"

#include "base/error.h"
#include "base/lock.h"
#include "tramp/provider.h"
#include "tramp/registry.h"
#include "tramp/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define TABLE_BYTES ((size_t)FS_TABLE_CODE + FS_TABLE_DATA)

_Static_assert(FS_TABLE_CODE + FS_TABLE_DATA <= FS_TABLE_SPAN, "a table fits its span");
_Static_assert(FS_TABLE_CODE % 0x10000 == 0 && FS_TABLE_DATA % 0x10000 == 0,
               "both are whole pages, whether those have 4, 16 or 64 KiB");
_Static_assert(FS_TABLE_SLOTS % FS_GROUP_SLOTS == 0, "whole groups");
_Static_assert(FS_TABLE_WORDS <= 64, "the summary is one word");

struct fs_table *fs_tables;
uint64_t fs_table_maps, fs_table_unmaps;

struct fs_table fs_resident = {
    .code = (char *)(uintptr_t)fs_resident_code,
    .slots = fs_resident_slots,
    .nslots = FS_RESIDENT_SLOTS,
    .provider = &fs_provider_resident,
};
static bool resident_open;
static struct fs_table *spare_structs; /* of closed tables; linked by `next` */
static char *lowest;                   /* of all tables so far: the next goes right below */

uint64_t fs_table_usable(const struct fs_table *t, unsigned w)
{
    uint64_t mask = ~UINT64_C(0);
    if (t->code == fs_resident_code)
        return mask;
    if (w == 0)
        mask &= ~UINT64_C(1);
    if ((w + 1) % (FS_GROUP_SLOTS / FS_WORD_SLOTS) == 0)
        mask &= ~(UINT64_C(1) << 63);
    return mask;
}

static void init_bits(struct fs_table *t)
{
    t->nfree = 0;
    for (unsigned w = 0; w < t->nslots / FS_WORD_SLOTS; w++) {
        t->free[w] = fs_table_usable(t, w);
        t->nfree += (unsigned)__builtin_popcountll(t->free[w]);
        t->summary |= UINT64_C(1) << w;
    }
    t->usable = t->nfree;
}

static void link_table(struct fs_table *t)
{
    t->prev = NULL;
    t->next = fs_tables;
    if (fs_tables)
        fs_tables->prev = t;
    fs_step(); /* a table in the list is whole */
    fs_tables = t;
}

/* A PROT_NONE reservation of TABLE_BYTES at a multiple of FS_TABLE_SPAN: at `want`, unless that is
 * NULL, if it is free, else wherever there is room for twice as much. */
static char *reserve(char *want)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (want) {
        char *got = mmap(want, TABLE_BYTES, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == want)
            return got;
        if (got != MAP_FAILED) /* a kernel before 4.17 took the address as a hint */
            munmap(got, TABLE_BYTES);
    }
    size_t size = 2 * (size_t)FS_TABLE_SPAN;
    char *p = mmap(NULL, size, PROT_NONE, flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    char *base = (char *)(((uintptr_t)p + FS_TABLE_SPAN - 1) & ~((uintptr_t)FS_TABLE_SPAN - 1));
    if (base > p)
        munmap(p, (size_t)(base - p));
    munmap(base + TABLE_BYTES, (size_t)(p + size - (base + TABLE_BYTES)));
    return base;
}

static int map_data(char *code, struct fs_why *why)
{
    char *data = code + FS_TABLE_CODE;
    /* The reservation becomes the data: same mapping, only the protection changes. */
    if (mprotect(data, FS_TABLE_DATA, PROT_READ | PROT_WRITE) == 0)
        return 0;
    char answer[96];
    return fs_refuse(why, -errno, "mapping %u KiB of data for slots: %s", FS_TABLE_DATA / 1024,
                     fs_errno_text(errno, answer, sizeof answer));
}

bool fs_table_is_intact(const struct fs_provider *p, const char *code)
{
    return p->is_intact ? p->is_intact(code) : memcmp(code, fs_table_code, FS_TABLE_CODE) == 0;
}

/* Is the library's own code there to compare with? A child that was copied while another thread
 * moved it, out of anonymous memory (text.c), has blank pages in its place. */
static bool template_is_there(void)
{
    static const char blank[FS_TRAMP_SIZE];
    return memcmp(fs_table_code, blank, sizeof blank) != 0;
}

/* Does the provider's mapping hold what it should? */
static int compare(const struct fs_provider *p, const char *code, struct fs_why *why)
{
    if (!template_is_there())
        return fs_refuse(why, -ESTALE,
                         "the library's own code is gone (forked while it was moved?)");
    if (fs_table_is_intact(p, code))
        return 0;
    return fs_refuse(why, -ESTALE,
                     "what was mapped is not the library's own code (the file was changed "
                     "in place?)");
}

static int map_table(const struct fs_provider *p, char *want, char **out, struct fs_why *why)
{
    char answer[96];
    int error = p->refused ? p->refused(why) : 0;
    if (error)
        return error;
    char *base = reserve(want);
    if (!base)
        return fs_refuse(why, -errno, "reserving %zu KiB of addresses: %s", TABLE_BYTES / 1024,
                         fs_errno_text(errno, answer, sizeof answer));
    error = p->map(base, why);
    if (!error)
        error = compare(p, base, why);
    if (!error)
        error = map_data(base, why);
    if (error) {
        munmap(base, TABLE_BYTES);
        return error;
    }
    *(void **)(base + FS_TABLE_CODE) = (void *)fs_e0;
    *out = base;
    return 0;
}

/* A blank struct whose `code` is where the table had best go, NULL for anywhere. */
static struct fs_table *take_struct(void)
{
    struct fs_table *t = spare_structs;
    char *want = lowest ? lowest - FS_TABLE_SPAN : NULL;
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return NULL;
    } else {
        spare_structs = t->next;
        want = t->code;
        memset(t, 0, sizeof *t);
    }
    t->code = want;
    return t;
}

/* Its address stays in it, for the next table: programs that go up and down stay where they are. */
static void give_struct(struct fs_table *t)
{
    t->next = spare_structs;
    spare_structs = t;
}

static int open_mapped(const struct fs_provider *p, struct fs_table **out, struct fs_why *why)
{
    struct fs_table *t = take_struct();
    if (!t)
        return fs_refuse(why, -ENOMEM,
                         "no memory for a table's bookkeeping (malloc of %zu bytes failed; is "
                         "RLIMIT_AS or RLIMIT_DATA reached?)",
                         sizeof *t);
    char *base = NULL;
    int error = map_table(p, t->code, &base, why);
    if (!error && (error = fs_registry_add((uintptr_t)base, t))) {
        fs_refuse(why, error, "no memory for the registry of tables");
        munmap(base, TABLE_BYTES);
    }
    if (error) {
        give_struct(t);
        return error;
    }
    t->code = base;
    if (!lowest || base < lowest)
        lowest = base;
    t->slots = base + FS_TABLE_CODE;
    t->provider = p;
    t->nslots = FS_TABLE_SLOTS;
    t->unwind = fs_unwind_add(base, FS_TABLE_CODE);
    init_bits(t);
    link_table(t);
    fs_table_maps++;
    *out = t;
    return 0;
}

static int open_resident(struct fs_table **out, struct fs_why *why)
{
    if (resident_open)
        return fs_refuse(why, -ENOSPC, "all its %u slots are in use", FS_RESIDENT_SLOTS);
    init_bits(&fs_resident);
    link_table(&fs_resident);
    resident_open = true;
    *out = &fs_resident;
    return 0;
}

static int open_from(const struct fs_provider *p, struct fs_table **out, struct fs_why *why)
{
    why->text[0] = '\0';
    return p->map ? open_mapped(p, out, why) : open_resident(out, why);
}

int fs_table_open(struct fs_table **out)
{
    const struct fs_provider *const *order;
    int error = fs_provider_order(&order);
    if (error)
        return error;
    char reasons[1200];
    size_t n = 0;
    for (; *order; order++) {
        struct fs_why why;
        if (open_from(*order, out, &why) == 0)
            return 0;
        if (n < sizeof reasons)
            n += (size_t)snprintf(reasons + n, sizeof reasons - n, "%s%s: %s", n ? "; " : "",
                                  (*order)->name, why.text);
    }
    return fs_fail_locked(-ENOSYS, "no provider can make more trampolines here: %s", reasons);
}

static void unlink_table(struct fs_table *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        fs_tables = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

void fs_table_close(struct fs_table *t)
{
    FS_ASSERT(t != &fs_resident && t->nfree == t->usable);
    unlink_table(t);
    fs_step();
    fs_registry_remove((uintptr_t)t->code);
    fs_unwind_remove(t->unwind);
    munmap(t->code, TABLE_BYTES);
    fs_table_unmaps++;
    give_struct(t);
}

/* The list by `next`, the bitmaps of free slots and the marks inside runs are what a cut leaves
 * true. Slots that were on their way from or to a bitmap are lost, and so is a table that was being
 * made or unmapped. */
void fs_table_mend(void)
{
    struct fs_table *prev = NULL;
    resident_open = false;
    for (struct fs_table *t = fs_tables; t; prev = t, t = t->next) {
        unsigned nfree = 0, ninner = 0;
        uint64_t summary = 0;
        for (unsigned w = 0; w < t->nslots / FS_WORD_SLOTS; w++) {
            nfree += (unsigned)__builtin_popcountll(t->free[w]);
            summary |= (uint64_t)(t->free[w] != 0) << w;
        }
        for (unsigned i = 0; i < t->nslots; i++)
            ninner += fs_bit_is_set(t->inner, i);
        t->nfree = nfree;
        t->summary = summary;
        t->prev = prev;
        t->next_open = t->prev_open = NULL;
        __atomic_store_n(&t->ninner, ninner, __ATOMIC_RELAXED);
        resident_open |= t == &fs_resident;
    }
    fs_registry_mend(fs_tables);
}

/* Give all memory back: no table is mapped, and nobody looks. */
void fs_table_forget(void)
{
    fs_registry_clear();
    while (spare_structs) {
        struct fs_table *t = spare_structs;
        spare_structs = t->next;
        free(t);
    }
    lowest = NULL;
}

int fs_table_try(const struct fs_provider *p, char *why_out, size_t size)
{
    struct fs_why why = {{0}};
    int error = 0;
    fs_lock();
    if (p->ask_again)
        p->ask_again();
    if (p->map) {
        char *base;
        error = map_table(p, NULL, &base, &why);
        if (!error)
            munmap(base, TABLE_BYTES);
    }
    fs_unlock();
    if (why_out && size)
        snprintf(why_out, size, "%s", why.text);
    return error;
}
