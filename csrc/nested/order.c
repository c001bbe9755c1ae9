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

/* What is below a stack pointer, with the nearest as its root; and so above. */
struct cut {
    struct fs_nested *below, *at, *above;
};

static struct fs_nested *splay_nearest(struct fs_nested *t, uintptr_t sp)
{
    return t ? splay(t, sp) : NULL;
}

static struct cut cut(struct fs_nested *root, uintptr_t sp)
{
    struct fs_nested *t = splay_nearest(root, sp);
    if (!t)
        return (struct cut){0};
    if (t->sp == sp)
        return (struct cut){splay_nearest(t->left, sp), t, splay_nearest(t->right, sp)};
    struct cut c = {0};
    if (t->sp < sp) {
        c.below = t;
        c.above = splay_nearest(t->right, sp);
        t->right = NULL;
    } else {
        c.above = t;
        c.below = splay_nearest(t->left, sp);
        t->left = NULL;
    }
    return c;
}

static struct fs_nested *join(struct cut c)
{
    if (c.at) {
        c.at->left = c.below;
        c.at->right = c.above;
        return c.at;
    }
    if (!c.below)
        return c.above;
    c.below->right = c.above; /* the largest below is its root */
    return c.below;
}

/* Take the last one out of the node at `*node`, which has nothing on one side. */
static struct fs_nested *take_last(struct fs_nested **node)
{
    struct fs_nested *t = *node, *next = t->under;
    if (next) {
        next->left = t->left;
        next->right = t->right;
    } else {
        next = t->left ? t->left : t->right;
    }
    *node = next;
    return t;
}

/* From a node to the next one further away, which comes to be its child. */
static struct fs_nested **further_down(struct fs_nested *t)
{
    t->left = splay_nearest(t->left, t->sp);
    return &t->left;
}

static struct fs_nested **further_up(struct fs_nested *t)
{
    t->right = splay_nearest(t->right, t->sp);
    return &t->right;
}

static bool is_near(const struct fs_nested *t, uintptr_t sp)
{
    return t && (t->sp > sp ? t->sp - sp : sp - t->sp) <= FS_NESTED_NEAR;
}

/* The place of the most recent one that is near; NULL when none is. */
static struct fs_nested **most_recent(struct cut *c, uintptr_t sp)
{
    struct fs_nested **best = c->at ? &c->at : NULL, **p;
    for (p = &c->below; is_near(*p, sp); p = further_down(*p))
        if (!best || (*p)->recency > (*best)->recency)
            best = p;
    for (p = &c->above; is_near(*p, sp); p = further_up(*p))
        if (!best || (*p)->recency > (*best)->recency)
            best = p;
    return best;
}

static bool are_alike(const struct fs_nested *a, const struct fs_nested *b)
{
    return a->dst_at == b->dst_at && a->dst_at != FS_NESTED_ELSEWHERE &&
           fs_nested_chain(a) == fs_nested_chain(b);
}

/* Put `n` over those of its stack pointer. Returns the one that it makes stale. What lies over that
 * one may be alive: the frame's other pointers, made just before. */
static struct fs_nested *put_over(struct fs_nested *at, struct fs_nested *n)
{
    n->under = at;
    struct fs_nested **link = &n->under;
    for (int i = 0; *link && i < ALIKE_MAX; i++, link = &(*link)->under)
        if (are_alike(*link, n)) {
            struct fs_nested *stale = *link;
            *link = stale->under;
            stale->under = NULL;
            return stale;
        }
    return NULL;
}

struct fs_added fs_order_add(struct fs_nested **root, struct fs_nested *n, fs_order_test *is_stale,
                             struct fs_nested_own *own)
{
    struct cut c = cut(*root, n->sp);
    struct fs_added added = {put_over(c.at, n), false};
    while (is_stale && is_near(c.below, n->sp) && is_stale(own, c.below, n->sp)) {
        struct fs_nested *stale = take_last(&c.below);
        stale->under = added.stale;
        added.stale = stale;
        c.below = splay_nearest(c.below, n->sp);
    }
    c.at = n->under;
    struct fs_nested **recent = most_recent(&c, n->sp);
    if (recent)
        fs_nested_after(n, *recent);
    added.is_above_others = is_near(c.below, n->sp);
    c.at = n;
    *root = join(c);
    return added;
}

struct fs_nested *fs_order_take(struct fs_nested **root, uintptr_t sp, bool exactly)
{
    struct cut c = cut(*root, sp);
    struct fs_nested **recent = exactly ? &c.at : most_recent(&c, sp), *taken = NULL;
    if (recent == &c.at) {
        taken = c.at;
        c.at = taken ? taken->under : NULL;
    } else if (recent) {
        taken = take_last(recent);
    }
    /* What took a root's place may not be the nearest. */
    c.below = splay_nearest(c.below, sp);
    c.above = splay_nearest(c.above, sp);
    *root = join(c);
    return taken;
}

uintptr_t fs_order_above(struct fs_nested **root, uintptr_t sp)
{
    struct cut c = cut(*root, sp);
    *root = join(c);
    return c.above ? c.above->sp : 0;
}

struct fs_nested *fs_order_pop(struct fs_nested **root)
{
    return fs_order_take(root, (*root)->sp, true);
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
