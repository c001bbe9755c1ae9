/* SPDX-License-Identifier: MIT */
/* tramp.h - slots and their trampolines: allocate, find, free
 *
 * A slot is FS_SLOT_SIZE bytes of private data with a trampoline: an address in read-only text
 * that loads the slot's address into the register R and goes to the code that the slot's first
 * word, its *entry*, names. Slot and address are inverse to each other for as long as the slot
 * lives. What the other words mean is the business of the entry and of the rooms above.
 *
 * A run is several neighbouring slots for a thing larger than one; its first slot stands for it.
 *
 * Cost: alloc and free are a pop and a push on the thread's own cache (64 slots); behind it is a
 * bitmap per table under one lock. Nothing walks a list that grows with the number of slots.
 * Thread and fork safety: all functions, any time. In a forked child every slot exists once
 * more, privately.
 */
#ifndef FS_TRAMP_H
#define FS_TRAMP_H

#include "arch/slot.h"
#include "base/base.h"

/* The most slots in a run: a whole table but for its header. */
#define FS_RUN_MAX (FS_TABLE_SLOTS - 1)

struct fs_table;

/* Where a slot is. Made by fs_slot_find() (find.h), good until the slot is freed. */
struct fs_ref {
    struct fs_table *table;
    unsigned index;
};

/* Entries of slots that are not in use (arch/table_code.h). Both report the call and abort. */
FS_HIDDEN void fs_freed(void);
FS_HIDDEN void fs_unprepared(void);

/* A run of `slots` (1 .. FS_RUN_MAX) slots and, unless `code` is NULL, its code address. The
 * entry is fs_unprepared, all other bytes are zero. NULL: errno and fs_error_text() are set;
 * ENOSYS when every provider refused. */
FS_HIDDEN void *fs_slot_alloc(unsigned slots, void **code);

/* The same for one sealed slot (seal.h), which fs_slot_put() alone may write to. Where the whole
 * process is sealed, fs_slot_alloc() comes here, and refuses runs. errno besides: what the system
 * answered where it opens no page, EINVAL for FFI_STATIC_HARDEN, ENOTSUP for a run. */
FS_HIDDEN void *fs_slot_alloc_sealed(void **code);

/* Give back the run that starts at `ref`, which is not sealed. From here on calling it reports and
 * aborts. */
FS_HIDDEN void fs_slot_free(struct fs_ref ref);

/* Of a sealed slot: put *image and then the entry into it; and free it. 0, or -errno with a
 * sentence that begins with `doing`, and nothing is changed: -EPERM when it is sealed for ever,
 * -EALREADY when it is free. */
FS_HIDDEN int fs_slot_put(void *slot, const struct fs_slot *image, void *entry, const char *doing);
FS_HIDDEN int fs_slot_free_sealed(void *slot, const char *doing);

/* The name of the table's provider. Under the lock, unless the slot is the caller's own: as soon as
 * a table is closed, its struct may become another table's. */
FS_HIDDEN const char *fs_ref_provider(struct fs_ref ref);

struct fs_tramp_stats {
    uint64_t live, cached, slots, tables, empty_tables, maps, unmaps, sealed;
};
FS_HIDDEN void fs_tramp_stats(struct fs_tramp_stats *out);

/* Check all tables (see ffi_static_check()). 0 or -EUCLEAN. */
FS_HIDDEN int fs_tramp_check(void);
/* In a debug build the same after each operation that took the lock; aborts with the finding. */
#define FS_CHECK_TABLES() FS_ASSERT(fs_tramp_check() == 0 || (fs_die(fs_error_text(), 0, 0), false))

/* What these two entries call (fs_report of each table.S). */
FS_HIDDEN FS_NORETURN void fs_report_freed(void *slot, void *caller);
FS_HIDDEN FS_NORETURN void fs_report_unprepared(void *slot, void *caller);

#endif
