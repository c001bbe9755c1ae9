/* SPDX-License-Identifier: MIT */
/* books.h - memory for the tables' book-keeping, from the system and never from malloc
 *
 * Book-keeping is taken under fs_lock(), where malloc must not be called: a program's own malloc
 * may have a lock and fork handlers, and a fork() that holds one of the two locks waits for the
 * other.
 *
 * Memory is mapped FS_BOOKS_CHUNK bytes at a time and handed out from the front. Nothing is given
 * back before the library goes; the callers keep lists of what they do not need.
 *
 * Everything here is under fs_lock().
 */
#ifndef FS_BOOKS_H
#define FS_BOOKS_H

#include "base/base.h"

#define FS_BOOKS_CHUNK 0x10000

/* `size` bytes of zeroes, aligned for any type. NULL, with errno set, when the system refuses. */
FS_HIDDEN void *fs_books_take(size_t size);

/* Unmap all of it: at dlclose(), when nothing points into it any more. */
FS_HIDDEN void fs_books_release(void);

#endif
