/* SPDX-License-Identifier: MIT */
/* error.h - a sentence for every failure
 *
 * Functions return -errno for programs. For people, each thread keeps a sentence: what was tried,
 * what the system answered, what can be done.
 */
#ifndef FS_ERROR_H
#define FS_ERROR_H

#include "base/base.h"

/* Remember the sentence and return `error` (a negative errno) to pass on. Not under fs_lock(). */
FS_HIDDEN int fs_fail(int error, const char *format, ...) FS_PRINTF(2, 3) FS_COLD;

/* The same kind of sentence in the caller's memory: why one way failed, when another may work. */
struct fs_why {
    char text[224];
};

/* Fill *why and return `error`. Also under fs_lock(). */
FS_HIDDEN int fs_refuse(struct fs_why *why, int error, const char *format, ...) FS_PRINTF(3, 4);

/* This thread's last sentence, "" when there was none. Never NULL. */
FS_HIDDEN const char *fs_error_text(void);

/* "Operation not permitted (errno 1)" and the like, in English, in a caller's buffer; never NULL.
 */
FS_HIDDEN const char *fs_errno_text(int error, char *buffer, size_t size);

#endif
