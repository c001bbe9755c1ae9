/* SPDX-License-Identifier: MIT */
/* record.c - records of rebound modules: match, bind, unbind
 *
 * ffi_static/_dropin decides and probes; this file writes and remembers. A record is bound first
 * and probed afterwards, because a module shows what must be known of it when it makes a callback.
 * Until the probe has confirmed the record, nothing has happened that cannot be undone.
 */
#include "dropin/record.h"

#include "base/error.h"
#include "py/compat.h"

#include <string.h>

struct fs_dropin fs_dropins[FS_DROPIN_MODULES];

#define COUNT_ONE(n, unused) +1
_Static_assert(0 FS_EACH_RECORD(COUNT_ONE, ) == FS_DROPIN_MODULES, "functions for each record");

void *fs_dropin_original(const struct fs_dropin *d, const char *symbol)
{
    for (unsigned i = 0; i < d->entries; i++)
        if (strcmp(d->entry[i].symbol, symbol) == 0)
            return d->entry[i].original;
    fs_die("ffi_static: a rebound function was called that is not on record (@)", (uintptr_t)d, 0);
}

struct fs_dropin *fs_dropin_record(const struct fs_object *object)
{
    struct fs_dropin *unused = NULL;
    for (unsigned i = FS_DROPIN_MODULES; i-- > 0;) {
        struct fs_dropin *d = &fs_dropins[i];
        if (d->state == FS_DROPIN_NONE)
            unused = d;
        else if (d->object.base == object->base && d->object.dynamic == object->dynamic)
            return d;
    }
    if (unused)
        unused->index = (unsigned)(unused - fs_dropins);
    return unused;
}

struct fs_dropin *fs_dropin_that_holds(const void *code)
{
    for (unsigned i = 0; i < FS_DROPIN_MODULES; i++)
        if (fs_py_load(&fs_dropins[i].state) != FS_DROPIN_NONE &&
            fs_object_holds(&fs_dropins[i].object, code))
            return &fs_dropins[i];
    return NULL;
}

bool fs_dropin_is_bound(const struct fs_dropin *d, const char *symbol)
{
    bool any = false;
    for (unsigned i = 0; i < d->entries; i++) {
        const struct fs_dropin_entry *e = &d->entry[i];
        if (strcmp(e->symbol, symbol) != 0)
            continue;
        if (!e->bound || __atomic_load_n(e->at, __ATOMIC_ACQUIRE) != e->ours)
            return false;
        any = true;
    }
    return any;
}

static bool is_needed(const struct fs_dropin_kind *kind, const char *symbol)
{
    for (unsigned i = 0; i < FS_DROPIN_NEEDS; i++)
        for (unsigned k = 0; k < 2; k++)
            if (kind->needs[i].any_of[k] && strcmp(kind->needs[i].any_of[k], symbol) == 0)
                return true;
    return false;
}

const char *fs_dropin_lost(const struct fs_dropin *d)
{
    for (unsigned i = 0; i < d->entries; i++) {
        const struct fs_dropin_entry *e = &d->entry[i];
        if (e->bound && __atomic_load_n(e->at, __ATOMIC_ACQUIRE) != e->ours &&
            is_needed(d->kind, e->symbol))
            return e->symbol;
    }
    return NULL;
}

void fs_dropin_see_clears(struct fs_dropin *d, void *type, int (*ours)(void *object))
{
    inquiry *at = &((PyTypeObject *)type)->tp_clear, before = fs_py_load(at);
    if (before == (inquiry)(void *)ours)
        return;
    fs_py_store(&d->clear, (int (*)(void *))(void *)before);
    fs_py_store(at, (inquiry)(void *)ours);
}

/* ---- which entries ------------------------------------------------------------------------- */

static const struct fs_dropin_hook *hook_of(const struct fs_dropin_kind *kind, const char *symbol)
{
    const struct fs_dropin_hook *h = kind->hooks;
    while (h->symbol && strcmp(h->symbol, symbol) != 0)
        h++;
    return h;
}

/* Fill in the record's entries for one import: how many there are, or -errno. */
static int find_entries(struct fs_dropin *d, const char *symbol)
{
    const struct fs_dropin_hook *h = hook_of(d->kind, symbol);
    void **at[FS_DROPIN_ENTRIES];
    int room = FS_DROPIN_ENTRIES - (int)d->entries;
    int found = fs_object_imports(&d->object, h->symbol, at, room);
    if (found > room)
        return fs_fail(-E2BIG, "%s imports %s in too many places", d->object.path, h->symbol);
    for (int i = 0; i < found; i++) {
        struct fs_dropin_entry *e = &d->entry[d->entries++];
        void *before = __atomic_load_n(at[i], __ATOMIC_ACQUIRE);
        *e = (struct fs_dropin_entry){
            .symbol = h->symbol,
            .at = at[i],
            .before = before,
            .original = fs_object_resolve(&d->object, h->symbol, before),
            .ours = h->function[d->index],
        };
    }
    return found;
}

int fs_dropin_match(struct fs_dropin *d, const struct fs_dropin_kind *kind, const char **missing)
{
    d->kind = kind;
    d->entries = 0;
    *missing = NULL;
    for (unsigned i = 0; i < FS_DROPIN_NEEDS && kind->needs[i].any_of[0]; i++) {
        const unsigned before = d->entries;
        for (unsigned k = 0; k < 2 && kind->needs[i].any_of[k]; k++) {
            int n = find_entries(d, kind->needs[i].any_of[k]);
            if (n < 0)
                return n;
        }
        if (d->entries == before) {
            *missing = kind->needs[i].any_of[0];
            return 0;
        }
    }
    for (unsigned i = 0; i < 2 && kind->welcome[i]; i++) {
        int n = find_entries(d, kind->welcome[i]);
        if (n < 0)
            return n;
    }
    return 0;
}

/* ---- writing them -------------------------------------------------------------------------- */

/* Give an entry back, unless somebody else has rebound it meanwhile. */
static void restore(struct fs_dropin *d, struct fs_dropin_entry *e)
{
    if (e->bound && __atomic_load_n(e->at, __ATOMIC_ACQUIRE) == e->ours &&
        fs_object_write(&d->object, e->at, e->before) == 0)
        e->bound = false;
}

/* Another copy of this package serves the module, if an import leads into one. Each copy would take
 * the other's closures for the module's. All copies have this text, the name of a function. */
static int refuse_another_copy(const struct fs_dropin *d)
{
    static const char text[] = "dropin_bind";
    struct fs_object there;
    for (unsigned i = 0; i < d->entries; i++) {
        const struct fs_dropin_entry *e = &d->entry[i];
        const void *now = __atomic_load_n(e->at, __ATOMIC_ACQUIRE);
        if (now == e->before)
            now = e->original; /* `before` may be code that only looks the function up */
        if (now != e->ours && fs_object_find(now, &there) == 0 &&
            !fs_object_holds(&there, (void *)fs_dropin_bind) &&
            fs_object_contains(&there, text, sizeof text))
            return fs_fail(-EBUSY, "another copy of ffi_static serves it in this process: %s",
                           there.path);
    }
    return 0;
}

int fs_dropin_bind(struct fs_dropin *d)
{
    int refused = refuse_another_copy(d);
    if (refused < 0)
        return refused;
    const char *lost = fs_dropin_lost(d);
    if (lost)
        return fs_fail(-EBUSY, "another tool has rebound its import %s", lost);
    bool fresh[FS_DROPIN_ENTRIES] = {false}; /* what was ours before stays so: it is still needed */
    for (unsigned i = 0; i < d->entries; i++) {
        struct fs_dropin_entry *e = &d->entry[i];
        if (e->bound)
            continue;
        int error = fs_object_write(&d->object, e->at, e->ours);
        if (error) {
            while (i-- > 0)
                if (fresh[i])
                    restore(d, &d->entry[i]);
            return error;
        }
        e->bound = fresh[i] = true;
    }
    return 0;
}

void fs_dropin_unbind(struct fs_dropin *d, bool failed)
{
    /* Without the GIL another thread may be in the middle of making a closure. */
    bool all = failed && !FS_PY_NO_GIL && !d->confirmed && d->made == d->freed &&
               (!d->kind->has_nothing || d->kind->has_nothing(d));
    for (unsigned i = 0; i < d->entries; i++)
        if (all || !d->kind->still_needed(d, d->entry[i].symbol))
            restore(d, &d->entry[i]);
    if (all && d->kind->forget)
        d->kind->forget(d);
    __atomic_store_n(&d->state, FS_DROPIN_RESTORED, __ATOMIC_RELEASE);
}
