/* SPDX-License-Identifier: MIT */
/* elf.h - what a loaded object imports, and how an entry of its import table is written
 *
 * Functions return 0 or -errno, with a sentence where the text below says so (base/error.h).
 * Addresses stay valid as long as the object is loaded; the caller sees to that.
 */
#ifndef FS_ELF_H
#define FS_ELF_H

#include "base/base.h"

#include <limits.h>

/* One loaded shared object or program. */
struct fs_object {
    uintptr_t base;    /* what the loader added to the file's addresses */
    const void *table; /* its program headers, for fs_object_write() */
    unsigned headers;
    const void *dynamic;
    char path[PATH_MAX];
};

/* Find the object that `address` lies in. 0 or -ENOENT. */
FS_HIDDEN int fs_object_find(const void *address, struct fs_object *out);

/* Is `address` in what this object maps? */
FS_HIDDEN bool fs_object_holds(const struct fs_object *object, const void *address);

/* Does the object's read-only part contain these bytes? */
FS_HIDDEN bool fs_object_contains(const struct fs_object *object, const void *bytes, size_t size);

/* The GOT entries through which the object calls `symbol`: stores up to `max` of them in out[] and
 * returns how many there are. -ENOTSUP with a sentence: the object's format is not known. */
FS_HIDDEN int fs_object_imports(const struct fs_object *object, const char *symbol, void ***out,
                                int max);

/* What `symbol` means to this object, whose GOT entry holds `value` and may not be bound yet. */
FS_HIDDEN void *fs_object_resolve(const struct fs_object *object, const char *symbol, void *value);

/* Store `value` in a GOT entry. 0, or -errno with a sentence; then nothing was written. */
FS_HIDDEN int fs_object_write(const struct fs_object *object, void **entry, void *value);

/* Which of `count` names the object calls through its GOT, as a mask. *python: does it import
 * anything of Python's? */
FS_HIDDEN unsigned fs_object_calls(const struct fs_object *object, const char *const *names,
                                   unsigned count, bool *python);

/* The i-th range of the object's variables. False when there is none. */
FS_HIDDEN bool fs_object_data(const struct fs_object *object, unsigned i, void **start,
                              size_t *size);

/* How often the loader has loaded and unloaded something, as far as it tells. */
struct fs_loads {
    unsigned long long loaded, unloaded;
};
FS_HIDDEN struct fs_loads fs_object_loads(void);

/* Call visit() for each object from number `from` on, in the loader's order; a new object comes
 * last. The loader is locked meanwhile, so visit() may not load anything. */
FS_HIDDEN void fs_object_each(unsigned from, void (*visit)(const struct fs_object *object));

#endif
