/* SPDX-License-Identifier: MIT */
/* drain.h - take cffi's free blocks from it, and give it ours (words: record.h)
 *
 * All do nothing for a record of another kind.
 */
#ifndef FS_DRAIN_H
#define FS_DRAIN_H

#include "dropin/record.h"
#include "py/compat.h"

/* From here on maker(*arguments) makes a callback of this cffi. Releases what is withheld. 0, or -1
 * with an exception. */
FS_HIDDEN int fs_drain_set_maker(struct fs_dropin *d, PyObject *maker, PyObject *arguments);

/* Drain cffi and retire its free stock blocks, in exchange for blocks of ours. `writable_code`: may
 * the process have memory that is writable and executable? Calls the maker. 0, or -1 with an
 * exception; then what cffi has is all in use or ours. */
FS_HIDDEN int fs_drain_retire(struct fs_dropin *d, bool writable_code);

/* Drain what cffi has of our blocks, and withhold it. Calls the maker; without an exception. */
FS_HIDDEN void fs_drain_withhold(struct fs_dropin *d);

#endif
