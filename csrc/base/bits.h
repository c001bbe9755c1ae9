/* SPDX-License-Identifier: MIT */
/* bits.h - sets of bits that are read without the lock under which they are written
 *
 * Words are uintptr_t because every processor loads that atomically. 64-bit words would need
 * libatomic on 32-bit targets.
 *
 * Writers hold fs_lock(), so there is one at a time, and only its store must be atomic. The store
 * is ordered after all earlier ones; a fork in between relies on that (base/lock.h).
 */
#ifndef FS_BITS_H
#define FS_BITS_H

#include "base/base.h"

#define FS_BITS_WORD (8 * (unsigned)sizeof(uintptr_t))
#define FS_BITS_WORDS(n) ((n) / FS_BITS_WORD) /* for a set of `n`, a multiple of 64 */

static inline bool fs_bit_is_set(const uintptr_t *set, unsigned i)
{
    return __atomic_load_n(&set[i / FS_BITS_WORD], __ATOMIC_RELAXED) >> i % FS_BITS_WORD & 1;
}

static inline void fs_bit_set(uintptr_t *set, unsigned i)
{
    uintptr_t *word = &set[i / FS_BITS_WORD];
    __atomic_store_n(word, *word | (uintptr_t)1 << i % FS_BITS_WORD, __ATOMIC_RELEASE);
}

static inline void fs_bit_clear(uintptr_t *set, unsigned i)
{
    uintptr_t *word = &set[i / FS_BITS_WORD];
    __atomic_store_n(word, *word & ~((uintptr_t)1 << i % FS_BITS_WORD), __ATOMIC_RELEASE);
}

#endif
