/* SPDX-License-Identifier: MIT */
/* nested.h - pointers to nested functions: what there is of each, and of each thread
 *
 * A nested function needs the frame of the function around it. GCC passes the frame's address, the
 * *chain*, in a register of the ABI. A plain pointer to the function must load that register first.
 * With -ftrampoline-impl=heap, a frame has such a pointer made when it begins (`created`), and
 * deleted when it ends (`deleted`). Here a pointer is the trampoline of a slot whose entry is the
 * hop for the chain's register (arch/hop.h). So nothing that a program writes becomes an
 * instruction.
 *
 * `deleted` has no argument. The caller's stack pointer tells which frame ends: a slot keeps the
 * stack pointer that its frame had when it called `created` (`sp`), and is found by it. Frames do
 * not always end by `deleted`: longjmp() leaves them, and a coroutine may never be resumed. The
 * slot of such a frame is *stale*. A stale slot is harmless. It is used again
 *   - when a frame at the same address makes the same pointer: `chain` and `dst` are the same;
 *   - when a frame right above it makes a pointer, and its frame's memory no longer holds the
 *     address of the trampoline. Only memory of the thread's own stack is looked at;
 *   - before its thread takes more slots than twice those that were alive: then all of the
 *     thread's own stack below the stack pointer are looked at in the same way.
 * So what is stale is bounded by the size of the stacks that there are.
 *
 * A living slot must never be deleted or used again, for its pointer would then call the wrong
 * function. So a frame deletes the slot that was made at the very same stack pointer, the last one
 * if there are several: GCC inlines functions that make pointers into others that do, so one frame
 * of the stack may be several of the source.
 *   - The stack pointer moves a little while a frame lives: by arguments that are pushed, or when
 *     the call of `deleted` is the last thing that a function does. So of all slots that are near
 *     (FS_NESTED_NEAR), the one that was made last is meant. What lies deeper on the same stack is
 *     stale, and what lies higher is older.
 *   - If there is none, alloca() has moved the stack pointer further. The nearest above is meant.
 */
#ifndef FS_NESTED_H
#define FS_NESTED_H

#include "arch/hop.h"
#include "base/base.h"
#include "base/lock.h"
#include "base/thread.h"
#include "tramp/tramp.h"

#include <signal.h>

#if UINTPTR_MAX > UINT32_MAX
typedef uint32_t fs_nested_half;
#else
typedef uint16_t fs_nested_half;
#endif
#define FS_NESTED_HALF_MAX ((fs_nested_half)-1)

/* A `dst_at` for pointers that are kept elsewhere. Their slots cannot be seen to be stale. */
#define FS_NESTED_ELSEWHERE FS_NESTED_HALF_MAX

/* In bytes. What is so near may be of one frame. */
#define FS_NESTED_NEAR ((uintptr_t)256)

/* How far alloca() may move it, in bytes, where stacks cannot be told apart. */
#define FS_NESTED_FAR ((uintptr_t)65536)

/* Another view of a slot: behind the entry and the hop's two words, what this room has to know. */
struct fs_nested {
    void *entry;
    void *hop[2];
    uintptr_t sp;           /* of the frame, when it called `created` */
    fs_nested_half dst_at;  /* where the frame keeps the pointer: words behind the chain */
    fs_nested_half recency; /* larger than that of older ones that are so near */
    /* In the order by `sp` (order.h); `under`: the one made before at the same stack pointer, or
     * the next of those that are kept. */
    struct fs_nested *left, *right, *under;
};

_Static_assert(sizeof(struct fs_nested) == FS_SLOT_SIZE, "another view of a slot");
_Static_assert(FS_SLOT_HOP_CODE < offsetof(struct fs_nested, sp), "the hop's words are before");
_Static_assert(FS_SLOT_HOP_DATA < offsetof(struct fs_nested, sp), "the hop's words are before");

/* What each thread has, in its record (base/thread.h). A call sets `busy`, changes the words, and
 * clears `busy`. A signal handler that interrupted the call, and a forked child that has a copy of
 * another thread's words, leave them alone then. A handler may also leave by siglongjmp(), and the
 * call is never finished. In the common case the words are good between any two stores, but for one
 * slot that may be in neither list. In the others `deep` is set, and all is forgotten. */
struct fs_nested_own {
    uintptr_t busy; /* 0, or the stack pointer of the caller */
    bool deep;
    bool uneven;            /* a slot was made above an older one that is so near */
    bool lost;              /* some slots were forgotten */
    struct fs_nested *root; /* of the slots that frames have, alive or stale */
    struct fs_nested *kept; /* free ones: their entry is fs_freed */
    uintptr_t nkept;
    uintptr_t taken;                /* both */
    uintptr_t sweep_at;             /* how many taken ones are worth a look for stale ones */
    uintptr_t stack_from, stack_to; /* the thread's own stack; 0, 0: not asked; 1, 1: not known */
};

_Static_assert(sizeof(struct fs_nested_own) <= sizeof((struct fs_thread *)0)->above, "room");

static inline struct fs_nested_own *fs_nested_of(struct fs_thread *t)
{
    return (struct fs_nested_own *)t->above;
}

/* Between these two, the words are the caller's alone. */
static inline void fs_nested_enter(struct fs_nested_own *own, uintptr_t sp)
{
    own->busy = sp;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void fs_nested_leave(struct fs_nested_own *own)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->busy = 0;
}

static inline void fs_nested_deepen(struct fs_nested_own *own, bool deep)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->deep = deep;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The caller's stack pointer, as it was at the call of the function that this is used in. */
#define FS_NESTED_CALLER_SP() ((uintptr_t)__builtin_dwarf_cfa())

/* A slot's words. */
static inline void fs_nested_bind(struct fs_nested *n, unsigned reg, const void *code, void *chain)
{
    fs_hop_bind((struct fs_slot *)n, fs_hop_entry(reg, FS_HOP_SP), code, chain);
}

static inline void *fs_nested_chain(const struct fs_nested *n)
{
    const void *code;
    void *chain;
    fs_hop_get((const struct fs_slot *)n, &code, &chain);
    return chain;
}

/* Of a frame at `sp`: a pointer to `code`, which it keeps at `dst`. */
static inline void fs_nested_init(struct fs_nested *n, uintptr_t sp, const void *code, void *chain,
                                  const void *dst)
{
    uintptr_t at = (uintptr_t)dst - (uintptr_t)chain;
    bool is_elsewhere = at % sizeof(void *) || at / sizeof(void *) >= FS_NESTED_ELSEWHERE;
    n->sp = sp;
    n->dst_at = is_elsewhere ? FS_NESTED_ELSEWHERE : (fs_nested_half)(at / sizeof(void *));
    n->recency = 0;
    fs_nested_bind(n, FS_HOP_CHAIN, code, chain);
}

/* `n` is more recent than `other`. Numbers end, and are the same then: nobody knows any more. */
static inline void fs_nested_after(struct fs_nested *n, const struct fs_nested *other)
{
    n->recency = other->recency == FS_NESTED_HALF_MAX ? other->recency
                                                      : (fs_nested_half)(other->recency + 1);
}

/* --- own.c: the slots of this thread. No function here fails: without a slot the process ends,
 * with a line that has every provider's reason, as the callers' callers expect no error. errno and
 *     the signal mask stay as they are. ----------------------------------------------------------
 */

/* The words of the thread whose frame is at `sp`; made if there are none. NULL when the thread is
 * to have none, and while a call is under way that a signal handler interrupted. */
FS_HIDDEN struct fs_nested_own *fs_nested_own_get(uintptr_t sp);

static inline struct fs_nested_own *fs_nested_own(uintptr_t sp)
{
    struct fs_thread *t = fs_self();
    if (fs_likely(t && !fs_nested_of(t)->busy))
        return fs_nested_of(t);
    return fs_nested_own_get(sp);
}

/* Kept slots for a frame at `sp`, as there are none left. */
FS_HIDDEN void fs_nested_fill(struct fs_nested_own *own, uintptr_t sp);

/* More slots than these are not kept: half of them is given back. */
#define FS_NESTED_KEEP 128
FS_HIDDEN void fs_nested_give(struct fs_nested_own *own);

static inline struct fs_nested *fs_nested_pop(struct fs_nested_own *own, uintptr_t sp)
{
    if (fs_unlikely(!own->kept))
        fs_nested_fill(own, sp);
    struct fs_nested *n = own->kept;
    own->kept = n->under;
    fs_step();
    own->nkept--;
    return n;
}

static inline void fs_nested_keep(struct fs_nested_own *own, struct fs_nested *n)
{
    fs_slot_enter(n, (void *)fs_freed);
    n->under = own->kept;
    fs_step();
    own->kept = n;
    if (fs_unlikely(++own->nkept > FS_NESTED_KEEP))
        fs_nested_give(own);
}

/* Is this an address in the thread's own stack? */
FS_HIDDEN bool fs_nested_on_own_stack(struct fs_nested_own *own, uintptr_t address);

/* Is the slot, of a frame below `sp`, surely stale? */
FS_HIDDEN bool fs_nested_is_stale(struct fs_nested_own *own, const struct fs_nested *n,
                                  uintptr_t sp);

/* One slot, from the tables, and back. */
FS_HIDDEN struct fs_nested *fs_nested_take(void);
FS_HIDDEN void fs_nested_drop(struct fs_nested *n);

/* Signals wait meanwhile: their handlers may want slots, too. */
struct fs_nested_pause {
    sigset_t mask;
    int error; /* errno */
};
FS_HIDDEN void fs_nested_pause(struct fs_nested_pause *p);
FS_HIDDEN void fs_nested_resume(const struct fs_nested_pause *p);

/* --- shared.c: slots that no thread has. For signal handlers that interrupted a call, for threads
 *     that have no record or have told of their end. Each call takes the lock. -------------------
 */

FS_HIDDEN struct fs_nested *fs_nested_share(uintptr_t sp, const void *code, void *chain, void *dst);

/* Delete one for the frame at `sp`; `exactly`: only one that was made at that very place. False
 * when there is none. */
FS_HIDDEN bool fs_nested_unshare(uintptr_t sp, bool exactly);

/* A slot may have been lost for good, so that not finding one proves nothing. */
FS_HIDDEN bool fs_nested_lost_some(void);

#endif
