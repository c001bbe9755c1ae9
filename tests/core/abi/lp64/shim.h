/* SPDX-License-Identifier: MIT */
/* shim.h - RISC-V and LoongArch: the call shim's frame, and what it found afterwards
 *
 * Each ISA's folder includes this and defines FZ_SAVED, how many registers a callee keeps; rt.c
 * knows target, sp, set, seen, sp_after, top and canaries. shim.S uses the offsets below as they
 * stand, so they are asserted here.
 */
#ifndef FZ_LP64_SHIM_H
#define FZ_LP64_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct fz_frame {
    void *target;         /*   0 in:  what to call */
    void *ret;            /*   8      the caller's return address */
    void *sp;             /*  16 out: sp at the outgoing arguments */
    uint64_t scratch;     /*  24 in:  garbage for the general registers that a callee may change */
    uint64_t vector;      /*  32 in:  and for the floating-point ones */
    uint64_t unused;      /*  40 */
    uint64_t own[24];     /*  48      the caller's callee-saved registers */
    uint64_t set[24];     /* 240 in:  the patterns that they get */
    uint64_t seen[24];    /* 432 out: what they hold afterwards */
    void *sp_after;       /* 624 out: sp afterwards */
    uint64_t modes;       /* 632 in:  the floating-point modes */
    uint64_t modes_own;   /* 640 */
    uint64_t modes_after; /* 648 out */
    void *top;            /* 656 in:  where the search for the canary ends; 0: no canary */
    uint64_t canaries;    /* 664 out: how many were found intact between sp and top */
};

_Static_assert(offsetof(struct fz_frame, own) == 48, "shim.S");
_Static_assert(offsetof(struct fz_frame, set) == 240, "shim.S");
_Static_assert(offsetof(struct fz_frame, seen) == 432, "shim.S");
_Static_assert(offsetof(struct fz_frame, sp_after) == 624, "shim.S");
_Static_assert(offsetof(struct fz_frame, canaries) == 664, "shim.S");

#endif /* FZ_LP64_SHIM_H */
