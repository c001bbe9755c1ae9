/* SPDX-License-Identifier: MIT */
/* long.h - the plan of a signature that does not fit a slot */
#ifndef FS_PLAN_LONG_H
#define FS_PLAN_LONG_H

#include "base/base.h"

struct fs_long {
    uint32_t nargs;
    uint16_t gather; /* words to gather */
    int16_t tail;    /* fs_abi_tail_code() */
    uint32_t word[]; /* nargs argument words, then `gather` source words */
};

#endif
