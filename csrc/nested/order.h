/* SPDX-License-Identifier: MIT */
/* order.h - slots in the order of their frames' stack pointers
 *
 * A splay tree: what was looked for comes to the root. Frames are made and deleted at one end of a
 * stack, so the next one is nearly always the root, and a step costs a few instructions whatever
 * the depth. A coroutine's stack lies anywhere between the others; changing to it costs the
 * logarithm of how many there are. The links are in the slots, so nothing is allocated.
 *
 * Slots of the same stack pointer are one node: the last one, the others `under` it.
 *
 * No locks, no calls: the caller sees to it that one thread at a time is here.
 */
#ifndef FS_NESTED_ORDER_H
#define FS_NESTED_ORDER_H

#include "nested/nested.h"

/* What fs_order_add() finds out besides. */
struct fs_added {
    struct fs_nested *stale; /* taken out, linked by `under` */
    bool is_above_others;    /* older slots are near and have a lower stack pointer */
};

/* Put `n` in, above those of the same stack pointer, and more recent than all that are near. Taken
 * out are: of the same stack pointer, the one with the chain and the place of the pointer of `n`;
 * and near ones below for which `is_stale(own, it, n->sp)`. */
typedef bool fs_order_test(struct fs_nested_own *own, const struct fs_nested *n, uintptr_t sp);
FS_HIDDEN struct fs_added fs_order_add(struct fs_nested **root, struct fs_nested *n,
                                       fs_order_test *is_stale, struct fs_nested_own *own);

/* Take out one at `sp` only (`exactly`). Or of those that are FS_NESTED_NEAR the most recent one;
 * if that is not known, the one at `sp`. NULL: there is none. */
FS_HIDDEN struct fs_nested *fs_order_take(struct fs_nested **root, uintptr_t sp, bool exactly);

/* The next stack pointer above `sp`; 0: there is none. */
FS_HIDDEN uintptr_t fs_order_above(struct fs_nested **root, uintptr_t sp);

/* Take out any one; the root is not NULL. */
FS_HIDDEN struct fs_nested *fs_order_pop(struct fs_nested **root);

/* Rearrange so that nothing is `left` of anything: `right` leads through all, upwards. */
FS_HIDDEN void fs_order_line_up(struct fs_nested **root);

#endif
