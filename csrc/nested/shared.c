/* SPDX-License-Identifier: MIT */
/* shared.c - slots that no thread has
 *
 * A signal handler that interrupted a call of `created` or `deleted` must not touch its thread's
 * words; a thread may have none (base/thread.h). Their slots are in one order for all, under the
 * lock. Stacks of several threads lie in this order, so a slot is never deleted for a frame that
 * lies far away.
 */
#include "nested/nested.h"

#include "base/lock.h"
#include "nested/order.h"

static struct fs_nested *root; /* under the lock */
static size_t count;           /* atomic, changed under the lock */
static bool lost;

/* The order may be half changed. Who looks for a slot in it will not find one. */
static void forget(void)
{
    if (!root)
        return;
    root = NULL;
    lost = true;
    __atomic_store_n(&count, 0, __ATOMIC_RELAXED);
}

static const struct fs_thread_events events = {.cut = forget};

struct fs_nested *fs_nested_share(uintptr_t sp, const void *code, void *chain, void *dst)
{
    struct fs_nested_pause pause;
    fs_nested_pause(&pause);
    struct fs_nested *n = fs_nested_take();
    fs_nested_init(n, sp, code, chain, dst);
    fs_lock();
    fs_thread_listen(&events);
    struct fs_nested *next, *stale = fs_order_add(&root, n, NULL, NULL).stale;
    for (next = stale; next; next = next->under)
        __atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    fs_unlock();
    for (; stale; stale = next) {
        next = stale->under;
        fs_nested_drop(stale);
    }
    fs_nested_resume(&pause);
    return n;
}

/* If not only the one at `sp` will do: one near, or else one above that is not far. */
static struct fs_nested *take(uintptr_t sp, bool exactly)
{
    struct fs_nested *n = fs_order_take(&root, sp, exactly);
    uintptr_t above = n || exactly ? 0 : fs_order_above(&root, sp);
    return above && above - sp <= FS_NESTED_FAR ? fs_order_take(&root, above, false) : n;
}

bool fs_nested_unshare(uintptr_t sp, bool exactly)
{
    struct fs_nested_pause pause;
    if (!__atomic_load_n(&count, __ATOMIC_RELAXED))
        return false;
    fs_nested_pause(&pause);
    fs_lock();
    struct fs_nested *n = take(sp, exactly);
    if (n)
        __atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
    fs_unlock();
    if (n)
        fs_nested_drop(n);
    fs_nested_resume(&pause);
    return n != NULL;
}

bool fs_nested_lost_some(void)
{
    return lost;
}
