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

/* Are a sealed table's slots shut, as the kernel has it? A key is put on them once more, which the
 * kernel refuses when the process has no such key (any more). */
static bool is_shut(const struct fs_table *t, const char **what)
{
    size_t size = fs_table_is_resident(t) ? FS_RESIDENT_SLOTS * FS_SLOT_SIZE : FS_TABLE_DATA;
    const char *method = "";
    struct fs_why why;
    struct fs_map map;
    if (!fs_seal_is_ended(t->slots) && fs_seal_method(&method) == 0 && !strcmp(method, "keys")) {
        if (fs_seal_shut(t->slots, size, &why))
            return *what =
                       "its protection key is gone, so that anybody can write to its slots (was "
                       "the process restored from a checkpoint?)",
                   false;
        return true;
    }
    for (uintptr_t at = (uintptr_t)t->slots, end = at + size; at < end; at = map.end) {
        if (fs_maps_find((void *)at, &map)) /* no /proc: not known */
            return true;
        if (map.perms[1] == 'w')
            return *what = "its sealed slots are not read-only", false;
    }
    return true;
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
    if (t->sealed && !is_shut(t, what))
        return false;
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
    fs_lock();
    for (struct fs_table *t = fs_tables; t && !error; t = t->next) {
        const char *what = "";
        if (table_is_valid(t, &what))
            continue;
        const char *name = t->provider->name;
        void *code = t->code;
        fs_unlock(); /* remembering a sentence may need the lock */
        error = fs_fail(-EUCLEAN, "table of provider %s at %p: %s", name, code, what);
        fs_lock();
        break;
    }
    fs_unlock();
    return error;
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
