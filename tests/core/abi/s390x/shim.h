/* SPDX-License-Identifier: MIT */
/* shim.h - the call shim's frame: what it sets before a call and what it found afterwards
 *
 * rt.c knows target, sp, set, seen, sp_after, top and canaries, as of every architecture. shim.S
 * uses the offsets below as they stand, so they are asserted here.
 */
#ifndef FZ_SHIM_H
#define FZ_SHIM_H

#include <stddef.h>
#include <stdint.h>

#define FZ_SAVED 16 /* r6 .. r13, f8 .. f15 */
#define FZ_STACK_ALIGNMENT 8

struct fz_frame {
    void *target;              /*   0 in:  what to call */
    void *ret;                 /*   8      the caller's return address */
    void *sp;                  /*  16 out: r15 at the call; the outgoing arguments are 160 above */
    uint64_t scratch;          /*  24 in:  garbage for r0, f1, f3, f5, f7 */
    uint64_t own[FZ_SAVED];    /*  32      the caller's callee-saved registers */
    uint64_t set[FZ_SAVED];    /* 160 in:  the patterns that they get; of r6, which carries an
                                * argument,  out: what it had */
    uint64_t seen[FZ_SAVED];   /* 288 out: what they hold afterwards */
    void *sp_after;            /* 416 out: r15 afterwards */
    uint32_t modes, own_modes; /* 424 in, 428: the floating-point control register */
    uint32_t modes_after;      /* 432 out */
    void *top;                 /* 440 in:  where the search for the canary ends; 0: no canary */
    uint64_t canaries;         /* 448 out: how many were found intact between sp and top */
};

_Static_assert(offsetof(struct fz_frame, own) == 32, "shim.S");
_Static_assert(offsetof(struct fz_frame, set) == 160, "shim.S");
_Static_assert(offsetof(struct fz_frame, sp_after) == 416, "shim.S");
_Static_assert(offsetof(struct fz_frame, canaries) == 448, "shim.S");

#endif /* FZ_SHIM_H */
