/* SPDX-License-Identifier: MIT */
/* seal.h - slots that are read-only but while this library writes to one
 *
 * A slot says where a call goes. The slots of a *sealed* table lie in pages that are read-only, the
 * table's header among them. fs_seal_store() and fs_seal_fill() are the only code that writes
 * there. Both know two ways:
 *
 *   pages   the slot's page is made writable by mprotect(2), and read-only again. Meanwhile other
 *           threads can write to that one page. Signals wait.
 *   keys    the pages have a protection key (pkeys(7), x86), which no thread may write with. The
 *           thread that writes sets its own register for a few instructions: no system call, and no
 *           other thread can write meanwhile. But the kernel starts signal handlers with every key
 *           but the first shut, for reading, too, and threads that were there before the key was
 *           made never get it. There, calling a closure would be a segmentation fault. So keys must
 *           be asked for, FFI_STATIC_HARDEN=keys; the key is made when the library is loaded, and
 *           where there are other threads by then, that is refused.
 *
 * Which way, whether a whole process is sealed (FFI_STATIC_HARDEN), and which tables are sealed is
 * kept in memory that is sealed itself. The rest of the book-keeping (table.h) is not: it is not
 * believed. A slot is free when its own entry says so, and lies in a sealed table when the list
 * here says so. Book-keeping that says something else ends the process with a line.
 *
 * Everything that writes does that under fs_lock(), so there is one writer at a time and fork()
 * copies no page that is open. In the rare case of lock.h the child shuts them (fs_seal_mend()).
 *
 * Fails when: the system refuses mprotect() (a seccomp filter; at vm.max_map_count, as one mapping
 * becomes three for the moment), or there is no key. Then nothing is made, and nothing changed. A
 * page that cannot be made read-only *again* ends the process.
 */
#ifndef FS_SEAL_H
#define FS_SEAL_H

#include "arch/slot.h"
#include "base/base.h"
#include "base/error.h"

/* Are all slots of this process to be sealed? Decided once, from FFI_STATIC_HARDEN, or by
 * fs_seal_never() before. True also when the variable makes no sense: then nothing can be made. Not
 * under fs_lock(). */
FS_HIDDEN bool fs_seal_all(void);

/* This library keeps slots that it writes to all the time, and cannot seal them. */
FS_HIDDEN void fs_seal_never(void);

/* Set *method to "pages" or "keys". 0, or -errno with a sentence (fs_fail()) where
 * FFI_STATIC_HARDEN makes no sense, or asks for what there is not. Under fs_lock() only where there
 * is a sealed table. */
FS_HIDDEN int fs_seal_method(const char **method);

/* Does the system let a page be shut and opened? 0, or -errno with *why. */
FS_HIDDEN int fs_seal_try(struct fs_why *why);

/* Make the data of a table read-only, which may be so already. 0, or -errno with *why. */
FS_HIDDEN int fs_seal_shut(void *slots, size_t size, struct fs_why *why);

/* From now on the slots at `slots`, which are shut, are those of a sealed table, or not any more.
 * Under fs_lock(). 0, or -errno, and nothing is changed. To remove a table with a slot that is not
 * free ends the process. */
FS_HIDDEN int fs_seal_add(struct fs_slot *slots);
FS_HIDDEN int fs_seal_remove(struct fs_slot *slots);

/* Write to a sealed slot: all of *image but the entry, unless it is NULL, and then the entry. Under
 * fs_lock(). 0, or -errno with *why: -EPERM too when the table is sealed for ever. */
FS_HIDDEN int fs_seal_store(struct fs_slot *slot, const struct fs_slot *image, void *entry,
                            struct fs_why *why);

/* Make the `n` slots from here on free ones, as far as they are blank; all are in one page. */
FS_HIDDEN int fs_seal_fill(struct fs_slot *slot, unsigned n, void *entry, struct fs_why *why);

/* Shut the `size` bytes of a sealed table's slots for ever, and have the kernel keep the mappings
 * of `whole`, where they lie, as they are: mseal(2). Under fs_lock(). 0, or -errno with *why. */
FS_HIDDEN int fs_seal_end(struct fs_slot *slots, size_t size, void *whole, size_t whole_size,
                          struct fs_why *why);
FS_HIDDEN bool fs_seal_is_ended(struct fs_slot *slots);

/* Has the list this table? Not in a child that was forked while the table was closed. */
FS_HIDDEN bool fs_seal_is_listed(struct fs_slot *slots);

/* A read-only copy of `size` bytes in memory of its own; NULL with errno. And give it back. */
FS_HIDDEN void *fs_seal_keep(const void *bytes, size_t size);
FS_HIDDEN void fs_seal_drop(void *kept);

/* Have the kernel keep such a copy, or any mappings, as they are: mseal(2). A size of 0 asks
 * whether it would. 0, or -errno with *why. */
FS_HIDDEN int fs_seal_end_kept(void *kept, struct fs_why *why);
FS_HIDDEN int fs_seal_map(void *at, size_t size, struct fs_why *why);

/* In a child that was forked in the middle of a change: shut everything. Under fs_lock(). */
FS_HIDDEN void fs_seal_mend(void);

#endif
