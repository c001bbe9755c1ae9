/* SPDX-License-Identifier: MIT */
/* stamp.h - a program's own page of code as a template, and its copies
 *
 * A *stamp* is a template that was looked at once and found good: part of the program's text, and
 * never written to. Each copy of it is mapped by a provider, as our own tables are (tramp/copy.h).
 *
 * The stamps are a list, their copies one hash table by code address, both in memory from mmap().
 * Both change under fs_lock(), in single stores: a child that is forked in the middle of a change
 * finds them whole, and at worst has a mapping that nobody knows of (base/lock.h). So there is
 * nothing to mend in a child. Nothing here is kept when the last stamp was closed.
 */
#ifndef FS_STAMP_H
#define FS_STAMP_H

#include "base/base.h"
#include "base/error.h"
#include "tramp/provider.h"

/* The public header's struct. In a page of its own, unmapped when it is closed. */
struct ffi_static_stamp {
    struct fs_template of;
    uint64_t serial; /* of all stamps that there ever were: two of them may have one address */
    struct ffi_static_stamp *next;
};
typedef struct ffi_static_stamp fs_stamp;

/* One live copy. */
struct fs_stamped {
    uintptr_t code; /* or what copies.c has in its place */
    fs_stamp *stamp;
    const struct fs_provider *provider;
};

/* Is the code of `of`, whose numbers are good, a template: text of a file, private, R-X and never
 * written to? 0, or -errno with *why filled. Reads /proc/self. Not under the lock. */
FS_HIDDEN int fs_stamp_look(const struct fs_template *of, struct fs_why *why);

/* The open stamps. Under the lock. */
extern FS_HIDDEN fs_stamp *fs_stamps;

/* The link that leads to a stamp, NULL when it is not open: any pointer may be asked for. Under the
 * lock. */
FS_HIDDEN fs_stamp **fs_stamp_link(const fs_stamp *s);

/* -EINVAL, with a sentence that begins with `doing`. */
FS_HIDDEN int fs_stamp_not_open(const char *doing, const void *stamp);

/* Live copies, all under the lock. add: 0 or -ENOMEM. find: NULL when there is none whose code
 * begins at `code`; good until the next change. remove: what find gave. put_back: right after that,
 * what it was. */
FS_HIDDEN int fs_stamped_add(struct fs_stamped copy);
FS_HIDDEN struct fs_stamped *fs_stamped_find(uintptr_t code);
FS_HIDDEN void fs_stamped_remove(struct fs_stamped *copy);
FS_HIDDEN void fs_stamped_put_back(struct fs_stamped *copy, uintptr_t code);

/* The live copy behind `copy` in no particular order, the first for NULL; NULL behind the last. */
FS_HIDDEN struct fs_stamped *fs_stamped_next(struct fs_stamped *copy);

/* There are no copies: unmap the hash table. */
FS_HIDDEN void fs_stamped_forget(void);

/* For ffi_static_check(): 0 or -EUCLEAN. For ffi_static_get_stats(). Both take the lock. */
FS_HIDDEN int fs_stamp_check(void);
FS_HIDDEN void fs_stamp_count(uint64_t *stamps, uint64_t *copies);

#endif
