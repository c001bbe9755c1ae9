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

/* Put `n` in, above those of the same stack pointer. Those of them that it makes stale, because
 * they have its chain and its place of the pointer, are taken out, and all above them: returned,
 * linked by `under`. */
FS_HIDDEN struct fs_nested *fs_order_add(struct fs_nested **root, struct fs_nested *n);

/* These make what they find the root. Is there one at `sp`; which is the nearest above? */
FS_HIDDEN bool fs_order_at(struct fs_nested **root, uintptr_t sp);
FS_HIDDEN bool fs_order_above(struct fs_nested **root, uintptr_t sp);

/* Of those that are FS_NESTED_NEAR to `sp`, the most recent; if that is not known, the one at `sp`.
 * False when there is none. */
FS_HIDDEN bool fs_order_near(struct fs_nested **root, uintptr_t sp);

/* Make `n`, which is not in yet, more recent than those that are near. Is one of them below? */
FS_HIDDEN bool fs_order_mark(struct fs_nested **root, struct fs_nested *n);

/* Take out the root's last one. There is one. */
FS_HIDDEN struct fs_nested *fs_order_take(struct fs_nested **root);

/* Rearrange so that nothing is `left` of anything: `right` leads through all, upwards. */
FS_HIDDEN void fs_order_line_up(struct fs_nested **root);

#endif
