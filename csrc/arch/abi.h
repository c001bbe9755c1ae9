/* SPDX-License-Identifier: MIT */
/* abi.h - what every architecture's abi.c offers to the rooms above
 *
 * The calling convention as a little machine: begin, then one step per argument, each answering
 * where the frame that this architecture's entries build (its arch.h) holds that argument. The
 * rooms above count and store; what a register is they do not know.
 *
 * An architecture without an abi.c has trampolines only: there, closures of a patched libffi keep
 * libffi's own entries (hook/unplanned.c).
 */
#ifndef FS_ABI_H
#define FS_ABI_H

#include "base/base.h"

#include <ffi.h>

/* Where an argument is, in frame words. `second` is FS_WORD_NONE unless the argument is a struct
 * whose two halves are apart and must be gathered into the scratch area. */
struct fs_place {
    uint32_t word;
    uint32_t second;
};
#define FS_WORD_NONE UINT32_MAX

/* The running state: registers used so far, the next stack word, and what shape it all has. */
struct fs_abi {
    unsigned gpr, vec;
    uint32_t stack; /* in frame words */
    unsigned tail;  /* FS_TAIL_* of arch.h */
    bool only_gpr;  /* every argument so far is one scalar in the next general register */
    bool only_vec;  /* ... in the next vector register */
};

/* Start with the result. -ENOTSUP: an ABI or type that closures here do not take; -EINVAL: an
 * incomplete, recursive or otherwise broken type. fs_error_text() says which. */
FS_HIDDEN int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif);

/* The next argument, number `index` for messages. Errors as above. */
FS_HIDDEN int fs_abi_argument(struct fs_abi *abi, const ffi_type *type, unsigned index,
                              struct fs_place *place);

/* The entry for a signature of nothing but a few scalars of one register class, which most are:
 * the same answer as the steps below give, without the steps. NULL: take the steps. */
FS_HIDDEN void *fs_abi_quick_entry(const ffi_cif *cif);

/* The entry made for the shape that `abi` has found after the last argument, or NULL when there
 * is none but the planned ones. */
FS_HIDDEN void *fs_abi_entry(const struct fs_abi *abi, unsigned nargs);

/* The entry that walks a plan in the slot, saving the registers that `abi` has used. */
FS_HIDDEN void *fs_abi_plan_entry(const struct fs_abi *abi);

/* How the planned entries want to be told of abi->tail. Negative: the result goes through the
 * hidden pointer, which is the frame's first word. */
FS_HIDDEN int16_t fs_abi_tail_code(const struct fs_abi *abi);

/* The entry that walks a struct fs_long, saving all. */
FS_HIDDEN void fs_entry_long(void);

/* The bytes of scratch that gathered arguments may need are bounded by the registers, so the
 * frame has room for all: word `n` of the scratch area, counted in frame words. */
FS_HIDDEN uint32_t fs_abi_scratch_word(unsigned n);

#endif
