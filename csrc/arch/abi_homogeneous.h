/* SPDX-License-Identifier: MIT */
/* abi_homogeneous.h - aggregates of members of one floating type, which some ABIs pass by member
 *
 * Not a header for others: an abi.c includes it after abi_common.h, and has defined
 * HOMOGENEOUS_MAX, the most members.
 */
#ifndef FS_ABI_HOMOGENEOUS_H
#define FS_ABI_HOMOGENEOUS_H

#include "arch/abi_common.h"

/* An aggregate's members, as far as they matter: how many there are of one floating type. In a
 * union they lie on each other, so the most that one has. */
struct members {
    unsigned count;
    int type; /* FFI_TYPE_* of the leaves; 0: none yet; MIXED: of more than one, or not floating */
    bool any;
};
#define MIXED (-1)

/* What `classify` answers: an aggregate of `count` members of `size` bytes each, or count = 0. */
struct homogeneous {
    unsigned count, size;
};

struct walk {
    unsigned nodes; /* visited so far */
    bool classify;  /* it is small enough to be homogeneous */
};

static unsigned floating_size(int type)
{
    return type == FFI_TYPE_FLOAT        ? 4
           : type == FFI_TYPE_DOUBLE     ? 8
           : type == FFI_TYPE_LONGDOUBLE ? 16
                                         : 0;
}

static void add_leaf(struct members *m, const ffi_type *t)
{
    m->any = true;
    m->count = 1;
    m->type = floating_size(t->type) ? t->type : MIXED;
}

static void add_members(struct members *all, const struct members *more, bool over_each_other)
{
    all->any |= more->any;
    if (!more->type)
        return;
    all->type = all->type && all->type != more->type ? MIXED : more->type;
    if (!over_each_other)
        all->count += more->count;
    else if (more->count > all->count)
        all->count = more->count;
}

/* No member of a homogeneous aggregate is padding (gcc and clang agree). */
static void settle(struct members *m, const ffi_type *t)
{
    if (m->type > 0 && t->size != (size_t)m->count * floating_size(m->type))
        m->type = MIXED;
}

static int visit(const ffi_type *t, struct members *is, struct walk *w, unsigned depth)
{
    *is = (struct members){0, 0, false};
    if (!t)
        return fs_fail(-EINVAL, "a struct's element type is NULL");
    int error = check_node(t, &w->nodes, depth);
    if (error)
        return error;
    if (!is_aggregate(t)) {
        if (scalar_size(t) == 0 || t->size != scalar_size(t))
            return bad_type(t, "not a type that a struct can hold");
        add_leaf(is, t);
        return 0;
    }
    enum layout layout = PLAIN;
    if ((error = find_layout(t, &layout)))
        return error;
    for (ffi_type **e = t->elements; *e; e++) {
        if (!w->classify && e > t->elements && e[0] == e[-1])
            continue; /* an array's next element: nothing new in it */
        struct members member;
        if ((error = visit(*e, &member, w, depth + 1)))
            return error;
        add_members(is, &member, layout == UNION);
        if (t->type == FFI_TYPE_COMPLEX) { /* one element stands for both parts */
            add_members(is, &member, false);
            break;
        }
    }
    settle(is, t);
    return 0;
}

static int classify(const ffi_type *t, struct homogeneous *h)
{
    struct walk w = {.classify = t->size <= HOMOGENEOUS_MAX * sizeof(long double)};
    struct members is;
    *h = (struct homogeneous){0, 0};
    int error = visit(t, &is, &w, 0);
    if (error)
        return error;
    if (t->size == 0 && is.any)
        return bad_type(t, "incomplete: it has members but no size");
    if (w.classify && is.type > 0 && is.count <= HOMOGENEOUS_MAX)
        *h = (struct homogeneous){is.count, floating_size(is.type)};
    return 0;
}

#endif
