/* SPDX-License-Identifier: MIT */
/* registry.h - from an address to its table, without a lock and without a walk
 *
 * Mapped tables lie at multiples of FS_TABLE_SPAN, so an address names the only table it can be
 * in; a hash set says whether that table exists. Readers take no lock. Writers hold fs_lock().
 */
#ifndef FS_REGISTRY_H
#define FS_REGISTRY_H

#include "base/base.h"

struct fs_table;

/* The table whose span begins at `base`, or NULL. */
FS_HIDDEN struct fs_table *fs_registry_find(uintptr_t base);

/* 0 or -ENOMEM. */
FS_HIDDEN int fs_registry_add(uintptr_t base, struct fs_table *t);
FS_HIDDEN void fs_registry_remove(uintptr_t base);

/* Free what it holds. Only when no other thread can be reading: at dlclose(). */
FS_HIDDEN void fs_registry_clear(void);

#endif
