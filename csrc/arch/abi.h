/* SPDX-License-Identifier: MIT */
/* abi.h - what every architecture's abi.c offers to the rooms above
 *
 * The calling convention as a little machine: begin, then one step per argument, each answering
 * where the frame that this architecture's entries build (its arch.h) holds that argument. The
 * rooms above count, store and follow; what a register is they do not know.
 *
 * Frame bytes are counted from where the entries' frame begins (FS_FRAME_*). The caller's stack
 * arguments are in them, too, from FS_FRAME_STACK on.
 *
 * An architecture without an abi.c has trampolines only: there, closures of a patched libffi keep
 * libffi's own entries (hook/unplanned.c).
 */
#ifndef FS_ABI_H
#define FS_ABI_H

#include "arch.h" /* says which members struct fs_abi has */
#include "base/base.h"

#include <ffi.h>

/* How an argument lies in the frame.
 *
 *   FS_DIRECT        whole, at frame byte `at`. On a big-endian machine a value that is narrower
 *                    than its register lies at the end of the register's place; `at` counts that.
 *   FS_BY_REFERENCE  its address is at frame byte `at`: the caller holds the argument in memory
 *   FS_GATHERED      in `pieces` pieces, which are to be put together at an address of its
 *                    alignment: struct members in registers of their own, a struct that is split
 *                    between registers and stack, or one that is whole where its alignment does not
 *                    want it. `at` says nothing
 *
 * A float that arrives in a double's format is saved as a float by the entry, so it is direct. */
enum fs_way { FS_DIRECT, FS_BY_REFERENCE, FS_GATHERED };

/* `size` bytes from frame byte `from` to byte `to` of the argument. The last piece may end behind
 * the argument's last byte, but not behind its size rounded up to FS_GATHERED_ALIGN, which is also
 * the most that a gathered argument is aligned to. */
struct fs_piece {
    uint32_t from, to, size;
};
enum { FS_PIECES = 4, FS_GATHERED_ALIGN = 16 };

struct fs_place {
    uint32_t at;
    uint8_t way; /* enum fs_way */
    uint8_t pieces;
    struct fs_piece piece[FS_PIECES];
};

/* The running state: registers used so far, the next stack byte, and what shape it all has. `vec`
 * is a number of registers, or a set of bits where later arguments fill the gaps of earlier ones.
 */
struct fs_abi {
    unsigned gpr, vec;
    uint32_t stack;      /* a frame byte */
    unsigned tail;       /* FS_TAIL_* of arch.h */
    unsigned named;      /* arguments that are passed as a prototype's; where the others are not */
    unsigned vec_stride; /* bytes from one saved vector register to the next, where that varies */
    unsigned convention; /* the cif's ABI, where there are several */
    unsigned popped;     /* stack words that the callee takes off, where it does */
    bool home;           /* general registers are saved where the caller says, where that varies */
    /* Where floating registers are saved once for each width: how many there are to the last. */
    unsigned singles, doubles, quads;
    unsigned words; /* general ones, where floating arguments leave some of them empty */
    unsigned shape; /* FS_SHAPE_* of arch.h, where entries know more of the arguments */
#ifdef FS_SLOT_REST
    unsigned order; /* a 1, then a bit for each argument: is it in a vector register? Or 0 */
    bool in_order;  /* argument i is word i behind FS_FRAME_GPR, on the stack, too */
#endif
    bool only_gpr;    /* every argument so far is one scalar in the next general register */
    bool only_vec;    /* ... in the next vector register */
    bool only_single; /* ... a float, where that is another thing than the former */
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

/* Where FS_SLOT_REST is: the same for shapes whose entries find in the slot where they go on; that
 * is written to *body. */
union fs_slot_body;
FS_HIDDEN void *fs_abi_shaped_entry(const struct fs_abi *abi, unsigned nargs,
                                    union fs_slot_body *body);

/* The entry that walks a plan in the slot, saving the registers that `abi` has used. NULL: there is
 * none for this ABI, but fs_entry_long. */
FS_HIDDEN void *fs_abi_plan_entry(const struct fs_abi *abi);

/* How the planned entries want to be told of abi->tail. Negative: the result goes through the
 * hidden pointer, which is at frame byte FS_FRAME_SRET of arch.h. */
FS_HIDDEN int16_t fs_abi_tail_code(const struct fs_abi *abi);

/* The entry that walks a struct fs_long, saving all. */
FS_HIDDEN void fs_entry_long(void);

#endif
