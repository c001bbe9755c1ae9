/* SPDX-License-Identifier: MIT */
/* table.c - making a table: reserve, ask the providers, compare, add the data
 *
 * The address is reserved first, PROT_NONE, so that a provider that fails half-way leaves
 * nothing behind, and so that code and data are always at their fixed distance. Several threads
 * may make tables at once, each at an address of its own.
 */
#include "tramp/table.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "tramp/books.h"
#include "tramp/provider.h"
#include "tramp/registry.h"
#include "tramp/unwind.h"

#include <pthread.h>
#include <stdio.h>
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
/* Under the lock: */
static bool resident_open;
static struct fs_table *spare_structs; /* of closed tables; linked by `next` */
static struct fs_table *closed;        /* those that an unwinder knows of; also read without */
static char *lowest;                   /* of all tables so far: the next goes right below */

uint64_t fs_table_usable(const struct fs_table *t, unsigned w)
{
    uint64_t mask = ~UINT64_C(0);
    if (fs_table_is_resident(t))
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

/* A PROT_NONE reservation of TABLE_BYTES at a multiple of FS_TABLE_SPAN, and of `before` bytes
 * right in front: at `want`, unless that is NULL, if it is free, else wherever there is room for
 * twice as much. */
static char *reserve(char *want, size_t before)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const size_t needed = before + TABLE_BYTES;
    if (want) {
        want -= before;
        char *got = mmap(want, needed, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == want)
            return got + before;
        if (got != MAP_FAILED) /* a kernel before 4.17 took the address as a hint */
            munmap(got, needed);
    }
    size_t size = 2 * (size_t)FS_TABLE_SPAN;
    char *p = mmap(NULL, size, PROT_NONE, flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    uintptr_t first = (uintptr_t)p + before; /* where the code can begin at the earliest */
    char *base = (char *)((first + FS_TABLE_SPAN - 1) & ~((uintptr_t)FS_TABLE_SPAN - 1));
    if (base - before > p)
        munmap(p, (size_t)(base - before - p));
    munmap(base + TABLE_BYTES, (size_t)(p + size - (base + TABLE_BYTES)));
    return base;
}

/* Give back what reserve() gave. */
static void release(const struct fs_provider *p, char *base)
{
    munmap(base - p->before, p->before + TABLE_BYTES);
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

/* Is the library's own code there to compare with? A child has blank pages in its place if it was
 * forked while another thread moved the code out of anonymous memory (text.c). */
static bool template_is_there(void)
{
    static const char blank[FS_TRAMP_SIZE];
    const char *code = fs_table_code;
    __asm__("" : "+r"(code)); /* or the compiler reads once what is const, and it is not */
    return memcmp(code, blank, sizeof blank) != 0;
}

/* Does the provider's mapping hold what it should? Provider `text`, in another thread, may have
 * moved the template away for a moment, if no file can refill it (text.c). So a difference is
 * looked at again under the lock, where the template is back. */
static int compare(const struct fs_provider *p, const char *code, struct fs_why *why)
{
    if (template_is_there() && fs_table_is_intact(p, code))
        return 0;
    fs_lock();
    bool there = template_is_there(), intact = there && fs_table_is_intact(p, code);
    fs_unlock();
    if (intact)
        return 0;
    if (!there)
        return fs_refuse(why, -ESTALE,
                         "the library's own code is gone (forked while it was moved?)");
    return fs_refuse(why, -ESTALE,
                     "what was mapped is not the library's own code (the file was changed "
                     "in place?)");
}

static struct fs_slot *slots_behind(char *code)
{
    return (struct fs_slot *)(void *)(code + FS_TABLE_CODE);
}

static int map_table(const struct fs_provider *p, char *want, char **out, struct fs_why *why)
{
    char answer[96];
    int error = fs_provider_refused(p, why);
    if (error)
        return error;
    char *base = reserve(want, p->before);
    if (!base)
        return fs_refuse(why, -errno, "reserving %zu KiB of addresses: %s",
                         (p->before + TABLE_BYTES) / 1024,
                         fs_errno_text(errno, answer, sizeof answer));
    error = fs_provider_map(p, base, why);
    if (!error)
        error = compare(p, base, why);
    if (!error)
        error = map_data(base, why);
    if (error) {
        release(p, base);
        return error;
    }
    slots_behind(base)->entry = (void *)fs_enter_slot;
    *out = base;
    return 0;
}

/* A struct that is blank but for `home`, which no other thread is given. 0 or -errno. */
static int take_struct(struct fs_table **out)
{
    fs_lock();
    struct fs_table *t = spare_structs;
    int error = 0;
    if (t) {
        char *home = t->home;
        spare_structs = t->next;
        fs_step();
        memset(t, 0, sizeof *t);
        t->home = home;
    } else if ((t = fs_books_take(sizeof *t))) {
        if (lowest)
            t->home = lowest -= FS_TABLE_SPAN;
    } else {
        error = -errno;
    }
    fs_unlock();
    *out = t;
    return error;
}

/* Under the lock. `home` stays, for the next table: programs that go up and down stay where they
 * are. */
static void give_struct(struct fs_table *t)
{
    t->next = spare_structs;
    fs_step();
    spare_structs = t;
}

static void give_struct_back(struct fs_table *t)
{
    fs_lock();
    give_struct(t);
    fs_unlock();
}

static int make_mapped(const struct fs_provider *p, struct fs_table **out, struct fs_why *why)
{
    struct fs_table *t;
    int error = take_struct(&t);
    if (error) {
        char answer[96];
        return fs_refuse(why, error,
                         "mmap of %u KiB of memory for tables' book-keeping: %s (is RLIMIT_AS or "
                         "RLIMIT_DATA reached?)",
                         FS_BOOKS_CHUNK / 1024, fs_errno_text(error, answer, sizeof answer));
    }
    char *base = NULL;
    error = map_table(p, t->home, &base, why);
    if (error) {
        give_struct_back(t);
        return error;
    }
    t->code = t->home = base;
    t->slots = slots_behind(base);
    t->provider = p;
    t->nslots = FS_TABLE_SLOTS;
    t->unwind = fs_unwind_add(base, FS_TABLE_CODE);
    init_bits(t);
    *out = t;
    return 0;
}

static int make_resident(struct fs_table **out, struct fs_why *why)
{
    fs_lock();
    bool taken = resident_open;
    fs_unlock();
    if (taken)
        return fs_refuse(why, -ENOSPC, "all its %u slots are in use", FS_RESIDENT_SLOTS);
    *out = &fs_resident;
    return 0;
}

static int make_from(const struct fs_provider *p, struct fs_table **out, struct fs_why *why)
{
    why->text[0] = '\0';
    return p->map ? make_mapped(p, out, why) : make_resident(out, why);
}

int fs_table_make(struct fs_table **out)
{
    const struct fs_provider *const *order;
    int error = fs_provider_order(&order);
    if (error)
        return error;
    static const char none[] = "no provider can make more trampolines here: ";
    char reasons[FS_REASONS_BYTES];
    _Static_assert(sizeof none + sizeof reasons <= FS_ERROR_BYTES, "an error sentence has room");
    size_t n = 0;
    for (; *order; order++) {
        struct fs_why why;
        if (make_from(*order, out, &why) == 0)
            return 0;
        if (n < sizeof reasons)
            n += (size_t)snprintf(reasons + n, sizeof reasons - n, "%s%s: %s", n ? "; " : "",
                                  (*order)->name, why.text);
    }
    return fs_fail(-ENOSYS, "%s%s", none, reasons);
}

int fs_table_add(struct fs_table *t)
{
    if (fs_table_is_resident(t)) {
        if (resident_open)
            return -EALREADY;
        init_bits(t);
    } else {
        int error = fs_registry_add((uintptr_t)t->code, t);
        if (error)
            return error;
        if (!lowest || t->code < lowest)
            lowest = t->code;
        fs_table_maps++;
    }
    link_table(t);
    resident_open |= fs_table_is_resident(t);
    return 0;
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

void fs_table_discard(struct fs_table *t)
{
    if (fs_table_is_resident(t))
        return;
    fs_unwind_remove(t->unwind);
    release(t->provider, t->code);
    give_struct_back(t);
}

void fs_table_close(struct fs_table *t)
{
    FS_ASSERT(!fs_table_is_resident(t) && t->nfree == t->usable);
    unlink_table(t);
    fs_step();
    fs_registry_remove((uintptr_t)t->code);
    fs_table_unmaps++;
    if (t->unwind) {
        t->next = closed;
        __atomic_store_n(&closed, t, __ATOMIC_RELEASE);
        return;
    }
    release(t->provider, t->code);
    give_struct(t);
}

/* The mapping stays until the unwinder has forgotten its addresses: another table may come there
 * as soon as they are free. */
void fs_table_bury(void)
{
    while (fs_unlikely(__atomic_load_n(&closed, __ATOMIC_RELAXED) != NULL)) {
        fs_lock();
        struct fs_table *t = closed;
        if (t)
            __atomic_store_n(&closed, t->next, __ATOMIC_RELAXED);
        fs_unlock();
        if (t)
            fs_table_discard(t);
    }
}

/* A cut leaves true: the list by `next`, the bitmaps of free slots, and the marks inside runs. Lost
 * are slots on their way from or to a bitmap, and a table that was being made or unmapped. */
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
        resident_open |= fs_table_is_resident(t);
    }
    fs_registry_mend(fs_tables);
}

void fs_table_forget_all(void)
{
    FS_ASSERT(!closed);
    spare_structs = NULL;
    lowest = NULL;
    fs_registry_clear();
    fs_books_release();
}

int fs_table_try(const struct fs_provider *p, char *why_out, size_t size)
{
    struct fs_why why = {{0}};
    int error = 0, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    fs_provider_ask_again(p);
    if (p->map) {
        char *base;
        error = map_table(p, NULL, &base, &why);
        if (!error)
            release(p, base);
    }
    pthread_setcancelstate(cancel, NULL);
    if (why_out && size)
        snprintf(why_out, size, "%s", why.text);
    return error;
}
