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
 * (word 0: the pointer that the stubs jump through) and the last of each group of 256 is a hole,
 * because its trampoline is the group's stub. The resident table has neither.
 *
 * A table's struct lives outside the mapping, where a stray write to a closure cannot reach it.
 * Everything here is under fs_lock() unless it says otherwise.
 */
#ifndef FS_TABLE_H
#define FS_TABLE_H

#include "base/base.h"
#include "base/bits.h"
#include "arch.h"

#define FS_WORD_SLOTS 64 /* slots per bitmap word; of 64 bytes: one 4 KiB page of data */
#define FS_TABLE_WORDS (FS_TABLE_SLOTS / FS_WORD_SLOTS)

struct fs_provider;

struct fs_table {
    char *code;
    char *slots;
    const struct fs_provider *provider;
    unsigned nslots; /* holes counted */
    unsigned usable; /* holes not counted */
    unsigned nfree;
    unsigned ninner;                                /* slots inside runs; atomic */
    struct fs_table *next, *prev;                   /* all tables */
    struct fs_table *next_open, *prev_open;         /* those with a free slot */
    void *unwind;                                   /* see unwind.h */
    uint64_t summary;                               /* bit w: free[w] != 0 */
    uintptr_t filled[FS_BITS_WORDS(64)];            /* bit w: word w's slots hold entries; atomic */
    uint64_t free[FS_TABLE_WORDS];                  /* 1: the slot is free */
    uintptr_t inner[FS_BITS_WORDS(FS_TABLE_SLOTS)]; /* 1: in a run, not its first slot; atomic */
};

/* The template's and the resident table's text and data (table.S). */
extern FS_HIDDEN const char fs_table_code[];
extern FS_HIDDEN const char fs_resident_code[];
extern FS_HIDDEN char fs_resident_slots[];
FS_HIDDEN void fs_e0(void);

/* Slots of word `w` that can be handed out, holes left out. */
FS_HIDDEN uint64_t fs_table_usable(const struct fs_table *t, unsigned w);

/* Make a table by asking the providers in order. -ENOSYS when all refused, -EINVAL when the
 * environment names an unknown one, -ENOMEM; the sentence has every reason. */
FS_HIDDEN int fs_table_open(struct fs_table **out);

/* Are all bytes of the code at `code`, which `p` has mapped, what they must be? */
FS_HIDDEN bool fs_table_is_intact(const struct fs_provider *p, const char *code);

/* Unmap a table none of whose slots is in use. The struct is kept for the next one. */
FS_HIDDEN void fs_table_close(struct fs_table *t);

/* In a child that was forked while a thread that it does not have was changing tables: what can be
 * told from the rest is made right. */
FS_HIDDEN void fs_table_mend(void);

/* Free what is kept for the next table, when the library goes. Not under fs_lock(). */
FS_HIDDEN void fs_table_forget(void);

/* Make a table from one provider only, and close it again: 0 or -errno, with the reason in
 * `why` (`size` bytes). Takes and releases the lock itself. */
FS_HIDDEN int fs_table_try(const struct fs_provider *p, char *why, size_t size);

/* All tables, for stats and checks. */
extern FS_HIDDEN struct fs_table *fs_tables;
extern FS_HIDDEN uint64_t fs_table_maps, fs_table_unmaps;

/* The resident table, always there; its slots are first filled when it is opened. */
extern FS_HIDDEN struct fs_table fs_resident;

/* Is every invariant of the table as it should be? If not, *what says which is broken. */
FS_HIDDEN bool fs_table_is_valid(const struct fs_table *t, const char **what);

static inline void *fs_table_slot(const struct fs_table *t, unsigned index)
{
    return t->slots + (size_t)index * FS_SLOT_SIZE;
}

static inline void *fs_table_tramp(const struct fs_table *t, unsigned index)
{
    return t->code + (size_t)index * FS_TRAMP_SIZE;
}

#endif
