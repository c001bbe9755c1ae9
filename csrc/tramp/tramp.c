/* SPDX-License-Identifier: MIT */
/* tramp.c - the allocator: threads' caches, and the room's functions
 *
 * Single slots go through the thread's cache and cost no lock; a cache is filled and emptied half
 * at a time from the pool behind it (pool.h). The first word of a slot that is free tells a double
 * free; the pool's bitmap tells what lies inside a run.
 */
#include "tramp/tramp.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "tramp/find.h"
#include "tramp/pool.h"
#include "tramp/provider.h"
#include "tramp/seal.h"
#include "tramp/table.h"

#include <string.h>

/* The entry is never anything between fs_freed and fs_unprepared: a lookup, or a call, of a dead
 * address may be reading it at this moment. */
static inline void hand_out(struct fs_slot *slot, size_t size)
{
    memset(&slot->body, 0, size - offsetof(struct fs_slot, body));
    fs_slot_enter(slot, (void *)fs_unprepared);
}

static FS_COLD void *alloc_slowly(unsigned slots, void **code)
{
    if (fs_unlikely(fs_seal_all())) {
        if (slots == 1)
            return fs_slot_alloc_sealed(code);
        fs_fail(-ENOTSUP, "FFI_STATIC_HARDEN: a sealed closure has no room for bytes of its owner, "
                          "which could not write there; allocate those apart, and the closure with "
                          "its own size");
        errno = ENOTSUP;
        return NULL;
    }
    struct fs_thread *t = fs_thread_get();
    struct fs_want w = {.cache = slots == 1 ? t : NULL, .count = slots};
    int error = w.cache && t->count ? 0 : fs_pool_serve(&w);
    if (error) {
        errno = -error;
        return NULL;
    }
    if (w.cache)
        return fs_slot_alloc(1, code);
    struct fs_slot *slot = fs_ref_slot(w.ref);
    hand_out(slot, (size_t)slots * FS_SLOT_SIZE);
    if (code)
        *code = fs_ref_code(w.ref);
    return slot;
}

/* --- the room's functions ------------------------------------------------------------------- */

void *fs_slot_alloc(unsigned slots, void **code)
{
    struct fs_thread *t = fs_self();
    if (fs_unlikely(!t || !t->count || slots != 1))
        return alloc_slowly(slots, code);
    struct fs_slot *slot = fs_cache_pop(t);
    FS_ASSERT(slot->entry == (void *)fs_freed);
    hand_out(slot, FS_SLOT_SIZE);
    if (code)
        *code = fs_slot_code(slot);
    FS_ASSERT(fs_slot_code(slot) == fs_ref_code(fs_slot_ref(slot)));
    return slot;
}

void *fs_slot_alloc_sealed(void **code)
{
    struct fs_want w = {.sealed = true};
    const char *method;
    int error = fs_seal_method(&method);
    if (!error)
        error = fs_pool_serve(&w);
    if (error) {
        errno = -error;
        return NULL;
    }
    if (code)
        *code = fs_slot_code(w.slot);
    return w.slot;
}

static int not_put(int error, void *slot, const char *doing, const struct fs_why *why)
{
    if (error == -EALREADY)
        return fs_fail(error, "%s: the closure at %p has been freed already", doing, slot);
    return error
               ? fs_fail(error, "%s: the closure at %p stays as it is: %s", doing, slot, why->text)
               : 0;
}

int fs_slot_put(void *slot, const struct fs_slot *image, void *entry, const char *doing)
{
    struct fs_why why;
    fs_lock();
    int error = ((struct fs_slot *)slot)->entry == (void *)fs_freed ? -EALREADY : 0;
    if (!error)
        error = fs_seal_store(slot, image, entry, &why);
    fs_unlock();
    return not_put(error, slot, doing, &why);
}

int fs_slot_free_sealed(void *slot, const char *doing)
{
    struct fs_why why;
    return not_put(fs_pool_give_sealed(slot, &why), slot, doing, &why);
}

static bool starts_run(struct fs_ref ref)
{
    return ref.index + 1 < ref.table->nslots && fs_slot_is_inner(ref.table, ref.index + 1);
}

void fs_slot_free(struct fs_ref ref)
{
    struct fs_thread *t = fs_self();
    fs_slot_enter(fs_ref_slot(ref), (void *)fs_freed);
    if (fs_unlikely(!t || t->count == FS_CACHE_SLOTS || starts_run(ref)))
        fs_pool_give(ref, fs_thread_get());
    else
        fs_cache_push(t, fs_ref_slot(ref));
}

const char *fs_ref_provider(struct fs_ref ref)
{
    return ref.table->provider->name;
}

void fs_tramp_stats(struct fs_tramp_stats *out)
{
    fs_lock();
    fs_pool_stats(out);
    uint64_t taken = out->live;
    out->cached = fs_thread_cached();
    out->live = taken > out->cached ? taken - out->cached : 0;
    fs_unlock();
}
