/* SPDX-License-Identifier: MIT */
/* shim.h - the call shim's frame: what it sets before a call and what it found afterwards
 *
 * One folder per ISA; each exports fz_shim and fz_frame and this struct, of which rt.c knows
 * target, sp, set, seen, sp_after, top and canaries. shim.S uses the offsets below as they stand,
 * so they are asserted here.
 */
#ifndef FZ_SHIM_H
#define FZ_SHIM_H

#include <stddef.h>
#include <stdint.h>

#define FZ_SAVED 19 /* x19 .. x29, d8 .. d15 */

struct fz_frame {
    void *target;                /*   0 in:  what to call */
    void *ret;                   /*   8      the caller's return address */
    void *sp;                    /*  16 out: sp at the outgoing arguments */
    uint64_t scratch;            /*  24 in:  garbage for x9 .. x15, x17 and x18 */
    uint64_t vector[2];          /*  32 in:  garbage for v16 .. v31 */
    uint64_t own[FZ_SAVED + 1];  /*  48      the caller's callee-saved registers */
    uint64_t set[FZ_SAVED + 1];  /* 208 in:  the patterns that they get */
    uint64_t seen[FZ_SAVED + 1]; /* 368 out: what they hold afterwards */
    void *sp_after;              /* 528 out: sp afterwards */
    uint64_t modes, modes_own;   /* 536 in, 544: FPCR */
    uint64_t modes_after;        /* 552 out */
    void *top;                   /* 560 in:  where the search for the canary ends; 0: no canary */
    uint64_t canaries;           /* 568 out: how many were found intact between sp and top */
};

_Static_assert(offsetof(struct fz_frame, vector) == 32, "shim.S");
_Static_assert(offsetof(struct fz_frame, set) == 208, "shim.S");
_Static_assert(offsetof(struct fz_frame, sp_after) == 528, "shim.S");
_Static_assert(offsetof(struct fz_frame, canaries) == 568, "shim.S");

#endif /* FZ_SHIM_H */
