/* SPDX-License-Identifier: MIT */
/* check.c - the tables' invariants, spelled out, and the reports of calls that must not be
 *
 * A debug build checks them after each operation that takes the lock (FS_CHECK_TABLES), and anyone
 * may ask for it with ffi_static_check().
 */
#include "tramp/tramp.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/maps.h"
#include "tramp/copy.h"
#include "tramp/find.h"
#include "tramp/provider.h"
#include "tramp/seal.h"
#include "tramp/table.h"

#include <string.h>
#include <sys/mman.h>

static bool word_is_valid(const struct fs_table *t, unsigned w, const char **what)
{
    uint64_t usable = fs_table_usable(t, w);
    bool filled = fs_bit_is_set(t->filled, w);
    if (t->free[w] & ~usable)
        return *what = "a hole is marked free", false;
    if ((t->summary >> w & 1) != (t->free[w] != 0))
        return *what = "the summary does not agree with the bitmap", false;
    if (!filled && t->free[w] != usable)
        return *what = "a slot was handed out before its page was filled", false;
    for (unsigned b = 0; b < FS_WORD_SLOTS; b++) {
        unsigned i = w * FS_WORD_SLOTS + b;
        bool inner = fs_bit_is_set(t->inner, i);
        if (inner && t->free[w] >> b & 1)
            return *what = "a free slot is marked as the inside of a run", false;
        if (!filled)
            continue;
        if (inner && (i == 0 || t->free[(i - 1) / FS_WORD_SLOTS] >> (i - 1) % 64 & 1))
            return *what = "a run has an inside but no start", false;
        if (t->free[w] >> b & 1 && fs_table_slot(t, i)->entry != (void *)fs_freed)
            return *what = "a free slot was written to (use after free?)", false;
    }
    return true;
}

static bool is_by_key(const struct fs_table *t)
{
    const char *method = "";
    return !fs_seal_is_ended(t->slots) && fs_seal_method(&method) == 0 && !strcmp(method, "keys");
}

static size_t slots_size(const struct fs_table *t)
{
    return fs_table_is_resident(t) ? FS_RESIDENT_SLOTS * FS_SLOT_SIZE : FS_TABLE_DATA;
}

/* The key is put on the slots once more. The kernel refuses that when the process has no such key
 * (any more). */
static bool has_its_key(const struct fs_table *t)
{
    struct fs_why why;
    return !is_by_key(t) || !fs_seal_shut(t->slots, slots_size(t), &why);
}

/* A sealed table with a slot in this mapping, if that is writable and no key has the table shut. */
static struct fs_table *open_in(const struct fs_map *m)
{
    if (m->perms[1] != 'w')
        return NULL;
    for (struct fs_table *t = fs_tables; t; t = t->next) {
        uintptr_t at = (uintptr_t)t->slots;
        if (t->sealed && at < m->end && at + slots_size(t) > m->start && !is_by_key(t))
            return t;
    }
    return NULL;
}

static bool is_open(const struct fs_map *m, const void *data)
{
    (void)data;
    return open_in(m) != NULL;
}

/* A sealed table that is not shut, as the kernel has it; NULL if all are, or /proc/self/maps cannot
 * be read. All are looked for in one reading, because each one takes time under the lock. */
static struct fs_table *find_open(void)
{
    struct fs_table *t = fs_tables;
    while (t && !t->sealed)
        t = t->next;
    if (!t)
        return NULL;
    struct fs_map *m; /* too much for a small stack */
    m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return NULL;
    int error = fs_maps_search(is_open, NULL, m);
    t = error && error != -ENAMETOOLONG ? NULL : open_in(m);
    munmap(m, sizeof *m);
    return t;
}

/* Does every invariant of the table hold? If not, *what says which is broken. */
static bool table_is_valid(const struct fs_table *t, const char **what)
{
    unsigned nfree = 0;
    for (unsigned w = 0; w < t->nslots / FS_WORD_SLOTS; w++) {
        if (!word_is_valid(t, w, what))
            return false;
        nfree += (unsigned)__builtin_popcountll(t->free[w]);
    }
    if (nfree != t->nfree)
        return *what = "the count of free slots does not agree with the bitmap", false;
    if (t->sealed && !has_its_key(t))
        return *what = "its protection key is gone, so that anybody can write to its slots (was "
                       "the process restored from a checkpoint?)",
               false;
    if (fs_table_is_resident(t))
        return true;
    if (!fs_copy_is_intact(t->provider, &fs_table_template, t->code))
        return *what = "the trampolines are not the library's own code", false;
    if (t->slots->entry != (void *)fs_enter_slot)
        return *what = "the table's header was overwritten", false;
    return true;
}

int fs_tramp_check(void)
{
    int error = 0;
    const char *what = "", *name = "";
    void *code = NULL;
    fs_lock();
    struct fs_table *t = fs_tables;
    while (t && table_is_valid(t, &what))
        t = t->next;
    if (!t && (t = find_open()))
        what = "its sealed slots are not read-only";
    if (t) {
        name = t->provider->name;
        code = t->code;
        error = -EUCLEAN;
    }
    fs_unlock(); /* remembering a sentence may need the lock */
    return error ? fs_fail(error, "table of provider %s at %p: %s", name, code, what) : 0;
}

static uintptr_t address_of(void *slot)
{
    struct fs_ref ref = fs_slot_ref(slot);
    return ref.table ? (uintptr_t)fs_ref_code(ref) : 0;
}

void fs_report_freed(void *slot, void *caller)
{
    fs_die("ffi_static: the closure at code address @ was called after it was freed (the call "
           "returns to @); keep a closure alive for as long as C may call it",
           address_of(slot), (uintptr_t)caller);
}

void fs_report_unprepared(void *slot, void *caller)
{
    fs_die("ffi_static: the closure at code address @ was called before it was prepared (the "
           "call returns to @)",
           address_of(slot), (uintptr_t)caller);
}
