/* SPDX-License-Identifier: MIT */
/* table.h - one code mapping, one data mapping, and who has which slot
 *
 *      code                          slots (data)
 *      +-----------------------+     +---------------------------------------+
 *      | 4096 trampolines R-X  |     | 4096 slots RW, MAP_PRIVATE            |
 *      +-----------------------+     +---------------------------------------+
 *      ^ multiple of FS_TABLE_SPAN   ^ code + FS_TABLE_CODE
 *
 * Slot i's trampoline is code + i * FS_TRAMP_SIZE. In a mapped table slot 0 holds the header
 * (word 0: `hot`, the pointer that the stubs jump through) and the last of each group of
 * FS_GROUP_SLOTS is a hole, because its trampoline is the group's stub. The resident table has
 * neither.
 *
 * A table's struct lives outside the mapping, where a stray write to a closure cannot reach it.
 *
 * To make a table is to ask the file system and the kernel, which may keep a thread waiting for
 * ever, and to format sentences. To forget one may call the process' unwinder. So both are done
 * *without* the lock, and the functions here come in two kinds:
 *   - under fs_lock(): fs_table_add(), fs_table_close(), all lists and bits;
 *   - not under it, with cancellation disabled: fs_table_make(), fs_table_discard(),
 *     fs_table_bury(), fs_table_try(). They take the lock themselves where they need it.
 * A child that another thread forks while a table is being made inherits what was mapped and opened
 * for it by then: some addresses, and a descriptor that is close-on-exec. Nothing points there.
 */
#ifndef FS_TABLE_H
#define FS_TABLE_H

#include "arch/slot.h"
#include "base/base.h"
#include "base/bits.h"

#define FS_WORD_SLOTS 64 /* slots per bitmap word; of 64 bytes: one 4 KiB page of data */
#define FS_TABLE_WORDS (FS_TABLE_SLOTS / FS_WORD_SLOTS)

struct fs_provider;
struct fs_template;
struct fs_why;

struct fs_table {
    char *code;
    struct fs_slot *slots;
    const struct fs_provider *provider;
    unsigned nslots; /* holes counted */
    unsigned usable; /* holes not counted */
    unsigned nfree;
    unsigned ninner;                                /* slots inside runs; atomic */
    bool sealed;                                    /* see seal.h; for good */
    struct fs_table *next, *prev;                   /* all tables */
    struct fs_table *next_open, *prev_open;         /* those with a free slot */
    void *unwind;                                   /* see unwind.h */
    char *home;                                     /* where it had best be mapped; or NULL */
    uint64_t summary;                               /* bit w: free[w] != 0 */
    uintptr_t filled[FS_BITS_WORDS(64)];            /* bit w: word w's slots hold entries; atomic */
    uint64_t free[FS_TABLE_WORDS];                  /* 1: the slot is free */
    uintptr_t inner[FS_BITS_WORDS(FS_TABLE_SLOTS)]; /* 1: in a run, not its first slot; atomic */
};

/* The template (tables' code, which providers map again), the resident table's code and its slots,
 * and where the stubs of mapped tables lead. All four are in arch/table_code.h, which each table.S
 * includes. */
extern FS_HIDDEN const char fs_table_code[];
extern FS_HIDDEN const char fs_resident_code[];
extern FS_HIDDEN struct fs_slot fs_resident_slots[];
FS_HIDDEN void fs_enter_slot(void);

/* What mapped tables are copies of (provider.h). */
extern FS_HIDDEN const struct fs_template fs_table_template;

/* Slots of word `w` that can be handed out, holes left out. */
FS_HIDDEN uint64_t fs_table_usable(const struct fs_table *t, unsigned w);

/* Make a table, sealed or not, by asking the providers in order; it is nobody's yet. 0: add it or
 * discard it. -ENOSYS when all refused, -EINVAL when the environment names an unknown one; the
 * sentence has every reason. Not under the lock. */
FS_HIDDEN int fs_table_make(bool sealed, struct fs_table **out);

/* Put a table that was made where addresses are looked up. 0; -EALREADY for the resident table,
 * which another thread has added since; -ENOMEM. The caller discards what was not added. */
FS_HIDDEN int fs_table_add(struct fs_table *t);

/* What a slot owns, which fs_seal_keep() gave; or NULL. */
typedef void *fs_table_owned(const struct fs_slot *slot);

/* Seal a sealed table for ever, and what its slots own; see fs_seal_end(). */
FS_HIDDEN int fs_table_end(struct fs_table *t, fs_table_owned *owned, struct fs_why *why);

/* Undo fs_table_make(). Not under the lock. */
FS_HIDDEN void fs_table_discard(struct fs_table *t);

/* Take out a table none of whose slots is in use, and unmap it. One that an unwinder knows of waits
 * for fs_table_bury(). 0, or -errno: the list of sealed tables cannot be changed at the moment, and
 * the table stays. */
FS_HIDDEN int fs_table_close(struct fs_table *t);

/* Tell the unwinder of the closed tables that it knows, and unmap them. Not under the lock; costs
 * one look when there are none. */
FS_HIDDEN void fs_table_bury(void);

/* Forget everything: no mapped table is left and the library goes. */
FS_HIDDEN void fs_table_forget_all(void);

/* In a forked child, when a thread that the child does not have was changing tables: make all
 * fields right that follow from others. */
FS_HIDDEN void fs_table_mend(void);

/* Make a table from one provider only, and unmap it again: 0 or -errno, with the reason in
 * `why` (`size` bytes). Not under the lock. */
FS_HIDDEN int fs_table_try(const struct fs_provider *p, char *why, size_t size);

/* All tables, for stats and checks. */
extern FS_HIDDEN struct fs_table *fs_tables;
extern FS_HIDDEN uint64_t fs_table_maps, fs_table_unmaps;

/* The resident table, always there; its slots are first filled when it is opened. */
extern FS_HIDDEN struct fs_table fs_resident;

static inline bool fs_table_is_resident(const struct fs_table *t)
{
    return t == &fs_resident;
}

static inline struct fs_slot *fs_table_slot(const struct fs_table *t, unsigned index)
{
    return t->slots + index;
}

static inline void *fs_table_tramp(const struct fs_table *t, unsigned index)
{
    return t->code + (size_t)index * FS_TRAMP_SIZE;
}

#endif
