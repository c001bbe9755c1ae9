/* SPDX-License-Identifier: MIT */
/* base.h - the few words of C that every room uses
 *
 * Conventions inside the library: 0 or -errno; results through pointers, set only on success.
 * fs_fail() is how a failure gets its sentence (see error.h).
 */
#ifndef FS_BASE_H
#define FS_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* as Python.h does */
#endif
#if __SIZEOF_LONG__ < 8 && !defined _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* inodes and files are as large as on any other system */
#endif
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FS_HIDDEN __attribute__((visibility("hidden")))
#define FS_ALWAYS_INLINE inline __attribute__((always_inline))
#define FS_COLD __attribute__((cold, noinline))
#define FS_NORETURN __attribute__((noreturn))
#define FS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define fs_likely(x) __builtin_expect(!!(x), 1)
#define fs_unlikely(x) __builtin_expect(!!(x), 0)

/* Invariants that a debug build (-DFS_DEBUG) checks on the way. */
#ifdef FS_DEBUG
#define FS_ASSERT(x) assert(x)
#else
#define FS_ASSERT(x) ((void)sizeof(!(x)))
#endif

/* A one-line message to standard error and abort(). Uses no stdio and no memory, so that it
 * can report from anywhere, a signal handler or a broken heap included. `a` and `b` are shown
 * in hexadecimal where the text has the n-th '@'. */
FS_HIDDEN FS_NORETURN FS_COLD void fs_die(const char *text, uintptr_t a, uintptr_t b);

#endif
