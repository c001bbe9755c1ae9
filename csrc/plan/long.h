/* SPDX-License-Identifier: MIT */
/* long.h - the plan of a signature that does not fit a slot
 *
 * Its words are lists, one behind the other:
 *
 *   places      of the arguments, FS_LONG_STEP at a time: the last step is filled up with zeros.
 *               Each is a frame byte, or, with FS_IN_SCRATCH, a byte of the scratch memory
 *   references  numbers of the arguments at whose place there is their address
 *   pieces      struct fs_long_piece: what is copied into the scratch memory before that
 *
 * plan/run.c walks all of it. An architecture whose fs_entry_long walks the common ones itself has
 * the offsets in its arch.h.
 */
#ifndef FS_PLAN_LONG_H
#define FS_PLAN_LONG_H

#include "arch.h"
#include "base/base.h"

enum { FS_LONG_STEP = 4 };
#define FS_IN_SCRATCH (UINT32_C(1) << 31)

struct fs_long {
    uint32_t nargs, references, pieces;
    uint32_t scratch; /* bytes, a multiple of 16 */
    int16_t tail;     /* fs_abi_tail_code() */
#ifdef FS_LONG_POP
    uint16_t popped; /* struct fs_abi */
#else
    uint8_t vec_stride; /* struct fs_abi; 0: no vector register has an argument */
    uint8_t home;       /* struct fs_abi */
#endif
    uint32_t word[];
};

/* `size` bytes from frame byte `from` to scratch byte `to`. */
struct fs_long_piece {
    uint32_t from, to, size;
};

#ifdef FS_LONG_WORDS
_Static_assert(offsetof(struct fs_long, nargs) == FS_LONG_NARGS, "nargs");
_Static_assert(offsetof(struct fs_long, references) == FS_LONG_REFERENCES, "references");
_Static_assert(offsetof(struct fs_long, pieces) == FS_LONG_PIECES, "pieces");
_Static_assert(offsetof(struct fs_long, tail) == FS_LONG_TAIL, "tail");
#ifdef FS_LONG_POP
_Static_assert(offsetof(struct fs_long, popped) == FS_LONG_POP, "popped");
_Static_assert(FS_LONG_POP == FS_LONG_TAIL + 2, "entries push both as one word");
#else
_Static_assert(offsetof(struct fs_long, vec_stride) == FS_LONG_STRIDE, "stride");
#endif
_Static_assert(offsetof(struct fs_long, word) == FS_LONG_WORDS, "words");
#endif

static inline size_t fs_long_places(uint32_t nargs)
{
    return ((size_t)nargs + FS_LONG_STEP - 1) / FS_LONG_STEP * FS_LONG_STEP;
}

/* Where the second and the third list begin. */
static inline uint32_t *fs_long_references(struct fs_long *p)
{
    return p->word + fs_long_places(p->nargs);
}

static inline struct fs_long_piece *fs_long_pieces(struct fs_long *p)
{
    return (struct fs_long_piece *)(void *)(fs_long_references(p) + p->references);
}

#endif
