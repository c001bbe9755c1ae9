/* SPDX-License-Identifier: MIT */
/* gcc.c - what GCC's code calls with -ftrampoline-impl=heap
 *
 * The names, the arguments and the version of the symbols (GCC_14.0.0) are libgcc's, which these
 * functions take the place of: by LD_PRELOAD, or linked before it. C, Ada and Fortran call them
 * alike. On architectures for which libgcc has nothing, they are all that there is.
 *
 * No lock is taken and no system call made unless the thread needs further slots. A pointer may be
 * called from any thread for as long as its frame is alive. In a forked child all pointers work.
 * Both functions may be called in signal handlers. errno stays as it is.
 */
#include "nested/nested.h"

#include "nested/order.h"
#include "tramp/find.h"

#ifdef HIDE_EXPORTS /* libgcc's own archives, from which shared libraries are linked */
#define EXPORTED FS_HIDDEN
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

EXPORTED void __gcc_nested_func_ptr_created(void *chain, void *func, void *dst);
EXPORTED void __gcc_nested_func_ptr_deleted(void);

/* Not below all others, or not the first at its place. */
static FS_COLD void add_slowly(struct fs_nested_own *own, struct fs_nested *n)
{
    fs_nested_deepen(own, true);
    struct fs_added added = fs_order_add(&own->root, n, fs_nested_is_stale, own);
    own->uneven = own->uneven || added.is_above_others;
    for (struct fs_nested *next; added.stale; added.stale = next) {
        next = added.stale->under;
        fs_nested_keep(own, added.stale);
    }
    fs_nested_deepen(own, false);
}

/* A frame makes its second pointer; or inlined code does, in the same frame of the stack. */
static bool is_second(const struct fs_nested *root, const struct fs_nested *n)
{
    return root->sp == n->sp && !root->under &&
           (root->dst_at != n->dst_at || fs_nested_chain(root) != fs_nested_chain(n));
}

static void add(struct fs_nested_own *own, struct fs_nested *n)
{
    struct fs_nested *root = own->root;
    bool second = root && is_second(root, n);
    if (fs_unlikely(root && ((root->sp <= n->sp && !second) || root->left || own->uneven))) {
        add_slowly(own, n);
        return;
    }
    if (root && root->sp - n->sp <= FS_NESTED_NEAR)
        fs_nested_after(n, root);
    n->left = NULL;
    n->under = second ? root : NULL;
    n->right = second ? root->right : root;
    fs_step();
    own->root = n;
}

/* Store at `dst` the address of code that calls `func` with `chain` in the register of the ABI.
 * What cannot be written to at `dst` is a fault here. `func` is not looked at: a pointer to what is
 * no code faults when it is called. */
void __gcc_nested_func_ptr_created(void *chain, void *func, void *dst)
{
    uintptr_t sp = FS_NESTED_CALLER_SP();
    struct fs_nested_own *own = fs_nested_own(sp);
    struct fs_nested *n;
    if (fs_likely(own)) {
        fs_nested_enter(own, sp);
        n = fs_nested_pop(own, sp);
        fs_nested_init(n, sp, func, chain, dst);
        add(own, n);
        /* Before a handler may sweep: until then the slot looks stale from a stack that is higher.
         */
        *(void **)dst = fs_slot_code(n);
        fs_nested_leave(own);
    } else {
        n = fs_nested_share(sp, func, chain, dst);
        *(void **)dst = fs_slot_code(n);
    }
}

static bool is_on_same_stack(struct fs_nested_own *own, uintptr_t a, uintptr_t b)
{
    return fs_nested_on_own_stack(own, a) == fs_nested_on_own_stack(own, b);
}

/* alloca() has moved the stack pointer: take what a frame above has made last. What lies on another
 * stack is not meant. The main thread's own stack becomes larger when its limit is raised. When
 * slots were lost, the one that is meant may be among them, and what is found be another frame's.
 */
static struct fs_nested *take_above(struct fs_nested_own *own, uintptr_t sp)
{
    uintptr_t above = own->lost ? 0 : fs_order_above(&own->root, sp);
    if (!above)
        return NULL;
    if (!is_on_same_stack(own, sp, above)) {
        own->stack_from = own->stack_to = 0; /* ask again */
        if (!is_on_same_stack(own, sp, above))
            return NULL;
    }
    return fs_order_take(&own->root, above, false);
}

/* A frame's slot may be among the shared ones, if a handler left an earlier call. What is near in
 * the thread's own order belongs to frames around, then. */
static bool delete_own(struct fs_nested_own *own, uintptr_t sp)
{
    struct fs_nested *n = NULL;
    fs_nested_deepen(own, true);
    bool is_shared = fs_nested_unshare(sp, true);
    if (!is_shared && !(n = fs_order_take(&own->root, sp, false)) && !(n = take_above(own, sp)))
        is_shared = !own->lost && fs_nested_unshare(sp, false);
    if (n)
        fs_nested_keep(own, n);
    own->uneven = own->uneven && own->root;
    fs_nested_deepen(own, false);
    return n || is_shared || own->lost;
}

static FS_COLD void delete_slowly(struct fs_nested_own *own, uintptr_t sp, void *caller)
{
    /* What a handler cannot find may be among the words that its signal interrupted. */
    struct fs_thread *t = own ? NULL : fs_self();
    bool is_handler = t && fs_nested_of(t)->busy;
    if ((own ? delete_own(own, sp) : fs_nested_unshare(sp, false)) || is_handler ||
        fs_nested_lost_some())
        return;
    fs_die("ffi_static: __gcc_nested_func_ptr_deleted() was called (the call returns to @) in a "
           "frame whose thread has made no pointer to a nested function that is not deleted; each "
           "call ends one call of __gcc_nested_func_ptr_created()",
           (uintptr_t)caller, 0);
}

/* Delete the pointer that the calling frame made last. */
void __gcc_nested_func_ptr_deleted(void)
{
    uintptr_t sp = FS_NESTED_CALLER_SP();
    struct fs_nested_own *own = fs_nested_own(sp);
    if (fs_unlikely(!own)) {
        delete_slowly(NULL, sp, __builtin_return_address(0));
        return;
    }
    fs_nested_enter(own, sp);
    struct fs_nested *n = own->root;
    if (fs_likely(n && n->sp == sp && !n->left && !own->uneven)) {
        struct fs_nested *under = n->under;
        if (under) {
            under->left = NULL;
            under->right = n->right;
        }
        fs_step();
        own->root = under ? under : n->right;
        fs_step();
        fs_nested_keep(own, n);
    } else {
        delete_slowly(own, sp, __builtin_return_address(0));
    }
    fs_nested_leave(own);
}
