/* SPDX-License-Identifier: MIT */
/* order.c - the splay tree of order.h
 *
 * D. Sleator and R. Tarjan, Self-Adjusting Binary Search Trees, 1985: the top-down form. It needs
 * neither recursion nor links to parents, and a tree may be as deep as a program's recursion.
 */
#include "nested/order.h"

/* How many slots of one stack pointer are compared with a new one. Frames that pass out more
 * nested functions, and are left by longjmp(), wait for a sweep to find them stale. */
#define ALIKE_MAX 64

static struct fs_nested *turn_right(struct fs_nested *t)
{
    struct fs_nested *up = t->left;
    t->left = up->right;
    up->right = t;
    return up;
}

static struct fs_nested *turn_left(struct fs_nested *t)
{
    struct fs_nested *up = t->right;
    t->right = up->left;
    up->left = t;
    return up;
}

/* The new root is at `sp` or a neighbour of where that would be. `less` and `more` collect what is
 * smaller and larger; `l` and `r` are where the next of each goes. */
static struct fs_nested *splay(struct fs_nested *t, uintptr_t sp)
{
    struct fs_nested *less = NULL, *more = NULL, **l = &less, **r = &more;
    while (sp != t->sp) {
        if (sp < t->sp) {
            if (t->left && sp < t->left->sp)
                t = turn_right(t);
            if (!t->left)
                break;
            *r = t;
            r = &t->left;
            t = t->left;
        } else {
            if (t->right && sp > t->right->sp)
                t = turn_left(t);
            if (!t->right)
                break;
            *l = t;
            l = &t->right;
            t = t->right;
        }
    }
    *l = t->left;
    *r = t->right;
    t->left = less;
    t->right = more;
    return t;
}

static struct fs_nested *splay_largest(struct fs_nested *t)
{
    return splay(t, UINTPTR_MAX);
}

static bool are_alike(const struct fs_nested *a, const struct fs_nested *b)
{
    return a->dst_at == b->dst_at && a->dst_at != FS_NESTED_ELSEWHERE &&
           fs_nested_chain(a) == fs_nested_chain(b);
}

/* The root is at the same stack pointer as `n`, and goes under it. */
static struct fs_nested *add_alike(struct fs_nested *root, struct fs_nested *n)
{
    struct fs_nested *stale = NULL, *last = root;
    n->left = root->left;
    n->right = root->right;
    n->under = root;
    for (int i = 0; last && i < ALIKE_MAX; i++, last = last->under) {
        if (!are_alike(last, n))
            continue;
        stale = root;
        n->under = last->under;
        last->under = NULL;
        break;
    }
    return stale;
}

struct fs_nested *fs_order_add(struct fs_nested **root, struct fs_nested *n)
{
    struct fs_nested *t = *root ? splay(*root, n->sp) : NULL;
    *root = n;
    if (t && t->sp == n->sp)
        return add_alike(t, n);
    n->under = n->left = n->right = NULL;
    if (t && n->sp < t->sp) {
        n->left = t->left;
        n->right = t;
        t->left = NULL;
    } else if (t) {
        n->right = t->right;
        n->left = t;
        t->right = NULL;
    }
    return NULL;
}

bool fs_order_at(struct fs_nested **root, uintptr_t sp)
{
    if (!*root)
        return false;
    *root = splay(*root, sp);
    return (*root)->sp == sp;
}

bool fs_order_above(struct fs_nested **root, uintptr_t sp)
{
    if (fs_order_at(root, sp) || (*root && (*root)->sp < sp)) {
        if (!(*root)->right)
            return false;
        (*root)->right = splay((*root)->right, sp);
        *root = turn_left(*root);
    }
    return *root != NULL;
}

bool fs_order_near(struct fs_nested **root, uintptr_t sp)
{
    uintptr_t from = sp > FS_NESTED_NEAR ? sp - FS_NESTED_NEAR : 0, best = sp;
    bool found = fs_order_at(root, sp);
    fs_nested_half recency = found ? (*root)->recency : 0;
    for (bool more = fs_order_at(root, from) || fs_order_above(root, from);
         more && (*root)->sp <= sp + FS_NESTED_NEAR; more = fs_order_above(root, (*root)->sp)) {
        if (found && (*root)->recency <= recency)
            continue;
        found = true;
        recency = (*root)->recency;
        best = (*root)->sp;
    }
    return found && fs_order_at(root, best);
}

bool fs_order_mark(struct fs_nested **root, struct fs_nested *n)
{
    if (!fs_order_near(root, n->sp))
        return false;
    fs_nested_after(n, *root);
    uintptr_t from = n->sp > FS_NESTED_NEAR ? n->sp - FS_NESTED_NEAR : 0;
    return (fs_order_at(root, from) || fs_order_above(root, from)) && (*root)->sp < n->sp;
}

struct fs_nested *fs_order_take(struct fs_nested **root)
{
    struct fs_nested *t = *root, *next = t->under;
    if (next) {
        next->left = t->left;
        next->right = t->right;
    } else if (!t->left) {
        next = t->right;
    } else {
        next = splay_largest(t->left);
        next->right = t->right;
    }
    *root = next;
    return t;
}

void fs_order_line_up(struct fs_nested **root)
{
    for (struct fs_nested **at = root; *at;) {
        if ((*at)->left)
            *at = turn_right(*at);
        else
            at = &(*at)->right;
    }
}
