/* SPDX-License-Identifier: MIT */
/* plan.h - a signature, compiled once into a closure's slot
 *
 * A call needs to know where each argument lies in the frame that the entry built, and how the
 * result goes back. Both depend on the signature alone. Stock libffi finds them out on every
 * call; a plan has them ready, in the slot that the call touches anyway:
 *
 *   word 0         the entry: static code chosen by the signature's shape
 *   words 1 .. 3   for a planned entry: counts and one byte per argument (arch.h, FS_PLAN_*)
 *                  for fs_entry_long: a pointer to a struct fs_long, which the plan owns
 *                  for a scalar entry: nothing
 *   words 4 .. 6   cif, handler, user data: as in libffi's ffi_closure
 */
#ifndef FS_PLAN_H
#define FS_PLAN_H

#include "arch/abi.h"
#include "base/base.h"
#include "include/ffi_static.h"

#include <stdlib.h>

/* A plan that is ready to be put into a slot. */
struct fs_plan {
    void *entry;
    uint64_t words[3];
};

/* Compile the signature of `cif`. On success *out owns memory if the plan is a long one, which
 * goes to the slot that *out is copied to. Errors as ffi_static_prep(), *out undefined. */
FS_HIDDEN int fs_plan_compile(const ffi_cif *cif, struct fs_plan *out);

/* Free what a long plan owns; `entry` and `words` as in struct fs_plan or a slot. */
static inline void fs_plan_release(void *entry, const uint64_t words[3])
{
    if (fs_unlikely(entry == (void *)fs_entry_long))
        free((void *)(uintptr_t)words[0]);
}

/* How fs_entry_long calls a handler: `frame` is the entry's frame, the result what
 * fs_abi_tail_code() said of the signature. */
struct fs_frame;
FS_HIDDEN int fs_plan_run(ffi_static_closure *closure, struct fs_frame *frame);

#endif
