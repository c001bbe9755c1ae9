/* SPDX-License-Identifier: MIT */
/* abi_alignment.h - aggregates that an attribute aligns: what counts as their alignment, and where
 * it does not
 *
 * Not a header for others: an abi.c whose ABI passes an aggregate by the alignment of its members
 * includes it after abi_common.h.
 */
#ifndef FS_ALIGNMENT_H
#define FS_ALIGNMENT_H

#include "arch/abi_common.h"

/* The largest alignment of its members. One that is packed reduces it to its own. */
static inline size_t natural_alignment(const ffi_type *t)
{
    size_t most = 1;
    for (ffi_type **e = t->elements; *e; e++)
        if ((*e)->alignment > most)
            most = (*e)->alignment;
    return most < t->alignment ? most : t->alignment;
}

/* What is whole, but perhaps not where its alignment wants it: put together elsewhere. The frame
 * begins at a multiple of `frame`. */
static inline void mind_alignment(const ffi_type *t, struct fs_place *place, size_t frame)
{
    if (place->way != FS_DIRECT || (t->alignment <= frame && !(place->at & (t->alignment - 1u))))
        return;
    place->way = FS_GATHERED;
    place->pieces = 1;
    place->piece[0] = (struct fs_piece){place->at, 0, (uint32_t)t->size};
}

#endif
