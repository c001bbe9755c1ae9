/* SPDX-License-Identifier: MIT */
/* own.c - the slots of each thread: taken from the tables, swept, given back
 *
 * The slow half. A thread takes slots from the tables (tramp/tramp.h) by the dozen and keeps those
 * that it has deleted, so most pairs of `created` and `deleted` come nowhere near this file.
 */
#include "nested/nested.h"

#include "base/error.h"
#include "nested/order.h"
#include "tramp/find.h"
#include "tramp/pool.h"
#include "tramp/seal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Slots are taken by as many as the thread has, between these two. */
#define TAKE_LEAST 8
#define TAKE_MOST 64
/* Fewer are not worth a sweep. */
#define SWEEP_LEAST 256

/* --- signals ---------------------------------------------------------------------------------- */

void fs_nested_pause(struct fs_nested_pause *p)
{
    sigset_t all;
    p->error = errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &p->mask);
}

void fs_nested_resume(const struct fs_nested_pause *p)
{
    pthread_sigmask(SIG_SETMASK, &p->mask, NULL);
    errno = p->error;
}

/* --- from the tables and back ----------------------------------------------------------------- */

/* fs_die() takes no sentence as long as this one. */
static FS_NORETURN FS_COLD void die_without_slots(void)
{
    static const char what[] = "ffi_static: no trampoline for a pointer to a nested function, and "
                               "the compiler's code takes no error: ";
    const char *why = fs_error_text();
    struct iovec line[] = {
        {(void *)(uintptr_t)what, sizeof what - 1},
        {(void *)(uintptr_t)why, strlen(why)},
        {(void *)(uintptr_t) "\n", 1},
    };
    if (writev(STDERR_FILENO, line, 3) < 0) /* nothing can be done about a closed standard error */
        abort();
    abort();
}

struct fs_nested *fs_nested_take(void)
{
    fs_seal_never(); /* the links of the order are in the slots */
    struct fs_nested *n = fs_slot_alloc(1, NULL);
    if (!n)
        die_without_slots();
    return n;
}

void fs_nested_drop(struct fs_nested *n)
{
    fs_slot_free(fs_slot_ref(n));
}

FS_COLD void fs_nested_give(struct fs_nested_own *own)
{
    struct fs_nested_pause pause;
    fs_nested_pause(&pause);
    for (unsigned i = 0; i < FS_NESTED_KEEP / 2 && own->kept; i++) {
        struct fs_nested *n = own->kept;
        own->kept = n->under;
        own->nkept--;
        own->taken--;
        fs_nested_drop(n);
    }
    fs_nested_resume(&pause);
}

/* --- threads ------------------------------------------------------------------------------------
 */

/* Under the lock: the slot goes by the thread's cache, which the room of tables empties. */
static void give_to_cache(struct fs_thread *t, struct fs_nested *n)
{
    if (t->count == FS_CACHE_SLOTS)
        fs_pool_empty(t, FS_POOL_BATCH);
    fs_slot_enter(n, (void *)fs_freed);
    fs_cache_push(t, n);
}

/* The thread's frames are gone, and with them whatever was alive. Words that were copied by a fork
 * in the middle of a change are not looked at: their slots are lost to the child. */
static void on_thread_gone(struct fs_thread *t)
{
    struct fs_nested_own *own = fs_nested_of(t);
    struct fs_nested *n;
    if (!own->busy) {
        fs_order_line_up(&own->root);
        while (own->root)
            give_to_cache(t, fs_order_pop(&own->root));
        while ((n = own->kept)) {
            own->kept = n->under;
            give_to_cache(t, n);
        }
    }
    memset(own, 0, sizeof *own);
}

static const struct fs_thread_events events = {.gone = on_thread_gone};

static void ask_for_stack(struct fs_nested_own *own)
{
    pthread_attr_t attributes;
    void *from;
    size_t size;
    own->stack_from = own->stack_to = 1;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &from, &size) == 0) {
        own->stack_from = (uintptr_t)from;
        own->stack_to = (uintptr_t)from + size;
    }
    pthread_attr_destroy(&attributes);
}

FS_COLD bool fs_nested_on_own_stack(struct fs_nested_own *own, uintptr_t address)
{
    if (!own->stack_to) {
        struct fs_nested_pause pause;
        fs_nested_pause(&pause);
        ask_for_stack(own);
        fs_nested_resume(&pause);
    }
    return address >= own->stack_from && address < own->stack_to;
}

/* A call is under way for the frame at `busy`, it seems; or a handler has left it by siglongjmp().
 * Then its own frame, below `busy`, is gone: ours lies there, or above, on the same stack. */
static bool is_abandoned(struct fs_nested_own *own, uintptr_t sp)
{
    stack_t alternate;
    return sp >= own->busy && fs_nested_on_own_stack(own, sp) &&
           fs_nested_on_own_stack(own, own->busy) && sigaltstack(NULL, &alternate) == 0 &&
           !(alternate.ss_flags & SS_ONSTACK);
}

/* Pointers that were made go on working. Nobody deletes them any more. */
static void pick_up(struct fs_nested_own *own)
{
    if (own->deep) {
        own->root = own->kept = NULL;
        own->nkept = own->taken = 0;
        own->deep = own->uneven = false;
        own->lost = true;
    }
    own->busy = 0;
}

FS_COLD struct fs_nested_own *fs_nested_own_get(uintptr_t sp)
{
    struct fs_nested_pause pause;
    fs_nested_pause(&pause);
    struct fs_thread *t = fs_thread_get();
    struct fs_nested_own *own = t ? fs_nested_of(t) : NULL;
    if (own && own->busy && is_abandoned(own, sp))
        pick_up(own);
    fs_nested_resume(&pause);
    return own && !own->busy ? own : NULL;
}

/* --- the sweep ----------------------------------------------------------------------------------
 */

/* What the memory holds by now in which a frame kept its pointer. Sanitizers know it as nobody's.
 */
__attribute__((noinline, no_sanitize_address, no_sanitize_thread)) static const void *
read_stale(uintptr_t dst)
{
    return *(void *const volatile *)dst;
}

/* The frame lies below `sp`, on this thread's own stack, which stays mapped, and other frames have
 * used its memory. A coroutine's stack may lie inside of the thread's: there, frames are below `sp`
 * and alive, but they are whole. */
bool fs_nested_is_stale(struct fs_nested_own *own, const struct fs_nested *n, uintptr_t sp)
{
    uintptr_t dst = (uintptr_t)fs_nested_chain(n) + n->dst_at * sizeof(void *);
    return n->sp < sp && n->dst_at != FS_NESTED_ELSEWHERE && dst % sizeof(void *) == 0 &&
           fs_nested_on_own_stack(own, n->sp) && fs_nested_on_own_stack(own, dst) &&
           read_stale(dst) != fs_slot_code(n);
}

/* Those of one stack pointer without the stale ones, which are kept. The caller gives back later.
 */
static struct fs_nested *sweep_node(struct fs_nested_own *own, struct fs_nested *node, uintptr_t sp)
{
    struct fs_nested *next, *right = node->right, *alive = NULL, **last = &alive;
    for (; node; node = next) {
        next = node->under;
        if (fs_nested_is_stale(own, node, sp)) {
            fs_nested_keep(own, node);
        } else {
            *last = node;
            last = &node->under;
        }
    }
    *last = NULL;
    if (alive) {
        alive->left = NULL;
        alive->right = right;
    }
    return alive;
}

static void sweep(struct fs_nested_own *own, uintptr_t sp)
{
    fs_order_line_up(&own->root);
    for (struct fs_nested **at = &own->root; *at;) {
        struct fs_nested *next = (*at)->right, *alive = sweep_node(own, *at, sp);
        *at = alive ? alive : next;
        if (alive)
            at = &alive->right;
    }
    uintptr_t living = own->taken - own->nkept;
    own->sweep_at = living < SWEEP_LEAST / 2 ? SWEEP_LEAST : 2 * living;
}

FS_COLD void fs_nested_fill(struct fs_nested_own *own, uintptr_t sp)
{
    struct fs_nested_pause pause;
    fs_nested_pause(&pause);
    if (own->taken >= SWEEP_LEAST && own->taken >= own->sweep_at)
        sweep(own, sp);
    uintptr_t want = own->taken < TAKE_LEAST ? TAKE_LEAST : own->taken;
    for (uintptr_t i = 0; i < want && i < TAKE_MOST && (!own->kept || i > 0); i++) {
        struct fs_nested *n = fs_nested_take();
        fs_slot_enter(n, (void *)fs_freed);
        n->under = own->kept;
        own->kept = n;
        own->nkept++;
        own->taken++;
    }
    fs_lock();
    fs_thread_listen(
        &events); /* behind the tables' room, which has listened since its first slot */
    fs_unlock();
    fs_nested_resume(&pause);
}
