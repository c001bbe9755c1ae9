/* SPDX-License-Identifier: MIT */
/* copy.h - one copy of a template: its code from a provider, compared, and data beside it
 *
 * Of a table the template is our own, of a stamp a program's (provider.h, struct fs_template). A
 * copy is one stretch of addresses, from the first byte of its code, of its data or of what the
 * provider maps in front, to the last. What lies between code and data stays reserved, PROT_NONE.
 *
 * Not under fs_lock(), but for fs_copy_release(); several threads may make copies at once.
 */
#ifndef FS_COPY_H
#define FS_COPY_H

#include "base/base.h"
#include "tramp/provider.h"

/* Make a copy: R-X code, whose bytes are the template's, and RW data that is zero. Its code lies at
 * `want`, unless that is NULL, if there is room; else anywhere. 0, or -errno with *why filled. */
FS_HIDDEN int fs_copy_make(const struct fs_provider *p, const struct fs_template *of, char *want,
                           char **code, struct fs_why *why);

/* Unmap the copy at `code`. 0, or -ENOMEM: at vm.max_map_count, where to unmap would make one
 * mapping two; then the copy is whole. Also under fs_lock(). */
FS_HIDDEN int fs_copy_release(const struct fs_provider *p, const struct fs_template *of,
                              char *code);

/* Are all bytes of the code at `code`, which `p` has mapped, what they must be? Under fs_lock(), or
 * while no other thread copies the template. */
FS_HIDDEN bool fs_copy_is_intact(const struct fs_provider *p, const struct fs_template *of,
                                 const char *code);

#endif
