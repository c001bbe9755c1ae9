/* SPDX-License-Identifier: MIT */
/* table.c - making a table: a copy of the template (copy.h), and who has its slots
 *
 * Several threads may make tables at once, each at an address of its own.
 */
#include "tramp/table.h"

#include "base/error.h"
#include "base/lock.h"
#include "tramp/books.h"
#include "tramp/copy.h"
#include "tramp/provider.h"
#include "tramp/registry.h"
#include "tramp/seal.h"
#include "tramp/unwind.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
const struct fs_template fs_table_template = {
    .code = fs_table_code,
    .code_size = FS_TABLE_CODE,
    .data_at = FS_TABLE_CODE,
    .data_size = FS_TABLE_DATA,
    .align = FS_TABLE_SPAN,
    .prot = FS_PROT_CODE,
    .whose = "library",
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

static struct fs_slot *slots_behind(char *code)
{
    return (struct fs_slot *)(void *)(code + FS_TABLE_CODE);
}

/* The header is written before the slots are shut, so all their pages are one mapping's for ever,
 * and become one again after each change (seal.h). */
static int map_table(const struct fs_provider *p, char *want, bool sealed, char **out,
                     struct fs_why *why)
{
    char *base;
    int error = fs_copy_make(p, &fs_table_template, want, &base, why);
    if (error)
        return error;
    slots_behind(base)->entry = (void *)fs_enter_slot;
    if (sealed && (error = fs_seal_shut(slots_behind(base), FS_TABLE_DATA, why))) {
        (void)fs_copy_release(p, &fs_table_template, base);
        return error;
    }
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

/* What fs_table_make() asks each provider for. */
struct order {
    bool sealed;
    struct fs_table *table;
};

static int make_mapped(const struct fs_provider *p, struct order *o, struct fs_why *why)
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
    error = map_table(p, t->home, o->sealed, &base, why);
    if (error) {
        give_struct_back(t);
        return error;
    }
    t->code = t->home = base;
    t->slots = slots_behind(base);
    t->provider = p;
    t->sealed = o->sealed;
    t->nslots = FS_TABLE_SLOTS;
    t->unwind = FS_DESCRIPTORS ? NULL : fs_unwind_add(base, FS_TABLE_CODE);
    init_bits(t);
    o->table = t;
    return 0;
}

#define RESIDENT_BYTES (FS_RESIDENT_SLOTS * FS_SLOT_SIZE)

static bool is_in_whole_pages(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    return RESIDENT_BYTES % page == 0 && (uintptr_t)fs_resident_slots % page == 0;
}

/* Where all slots are sealed, these are, too, if they are whole pages. What refuses is put into
 * words without the lock, but for a refusal of the system's. */
static int make_resident(struct order *o, struct fs_why *why)
{
    int error = 0;
    if (o->sealed && !fs_seal_all())
        return fs_refuse(why, -ENOTSUP, "its slots are sealed where FFI_STATIC_HARDEN seals all");
    if (o->sealed && !is_in_whole_pages())
        return fs_refuse(why, -ENOTSUP,
                         "its slots share pages with other data, so they cannot be sealed");
    fs_lock();
    bool taken = resident_open;
    if (!taken && o->sealed) {
        fs_resident.sealed = true;
        error = fs_seal_shut(fs_resident_slots, RESIDENT_BYTES, why);
    }
    fs_unlock();
    if (taken)
        return fs_refuse(why, -ENOSPC, "all its %u slots are in use", FS_RESIDENT_SLOTS);
    if (!error)
        o->table = &fs_resident;
    return error;
}

static int make_from(const struct fs_provider *p, void *data, struct fs_why *why)
{
    return p->map ? make_mapped(p, data, why) : make_resident(data, why);
}

int fs_table_make(bool sealed, struct fs_table **out)
{
    struct order o = {.sealed = sealed};
    int error = fs_provider_ask(make_from, &o, "no provider can make more trampolines here");
    if (!error)
        *out = o.table;
    return error;
}

int fs_table_add(struct fs_table *t)
{
    int error;
    if (fs_table_is_resident(t) && resident_open)
        return -EALREADY;
    if (!fs_table_is_resident(t) && (error = fs_registry_add((uintptr_t)t->code, t)))
        return error;
    if (t->sealed && (error = fs_seal_add(t->slots))) {
        if (!fs_table_is_resident(t))
            fs_registry_remove((uintptr_t)t->code);
        return error;
    }
    if (fs_table_is_resident(t)) {
        init_bits(t);
    } else {
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

int fs_table_end(struct fs_table *t, fs_table_owned *owned, struct fs_why *why)
{
    for (unsigned i = 0; i < t->nslots; i++) {
        void *kept = owned(&t->slots[i]);
        int error = kept ? fs_seal_end_kept(kept, why) : 0;
        if (error)
            return error;
    }
    if (fs_table_is_resident(t))
        return fs_seal_end(t->slots, RESIDENT_BYTES, t->slots, RESIDENT_BYTES, why);
    char *from = t->code - t->provider->before;
    size_t size = (size_t)((char *)t->slots - from) + FS_TABLE_DATA;
    return fs_seal_end(t->slots, FS_TABLE_DATA, from, size, why);
}

void fs_table_discard(struct fs_table *t)
{
    if (fs_table_is_resident(t))
        return;
    fs_unwind_remove(t->unwind);
    fs_copy_release(t->provider, &fs_table_template, t->code);
    give_struct_back(t);
}

int fs_table_close(struct fs_table *t)
{
    FS_ASSERT(!fs_table_is_resident(t) && t->nfree == t->usable);
    int error = t->sealed ? fs_seal_remove(t->slots) : 0;
    if (error)
        return error;
    unlink_table(t);
    fs_step();
    fs_registry_remove((uintptr_t)t->code);
    fs_table_unmaps++;
    if (t->unwind) {
        t->next = closed;
        __atomic_store_n(&closed, t, __ATOMIC_RELEASE);
        return 0;
    }
    fs_copy_release(t->provider, &fs_table_template, t->code);
    give_struct(t);
    return 0;
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
        error = map_table(p, NULL, false, &base, &why);
        if (!error)
            fs_copy_release(p, &fs_table_template, base);
    }
    pthread_setcancelstate(cancel, NULL);
    if (why_out && size)
        snprintf(why_out, size, "%s", why.text);
    return error;
}
