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

#ifdef __ARM_PCS_VFP
#define FZ_SAVED 16 /* r4 .. r11, whose upper halves are 0, d8 .. d15 */
#else
#define FZ_SAVED 8
#endif
#define FZ_STACK_ALIGNMENT 8
#define FZ_ARGUMENT_ALIGNMENT 16 /* closures do what callers cannot */
#define FZ_FRAME_IS_NO_STACK     /* state.c looks at sp */

struct fz_frame {
    void *target;         /*   0 in:  what to call */
    void *ret;            /*   4      the caller's return address */
    void *sp;             /*   8 out: sp at the outgoing arguments */
    void *sp_after;       /*  12 out: sp afterwards */
    uint64_t own[16];     /*  16      the caller's callee-saved registers */
    uint64_t set[16];     /* 144 in:  the patterns that they get */
    uint64_t seen[16];    /* 272 out: what they hold afterwards */
    uint32_t fpscr, kept; /* 400 in, 404 the caller's */
    uint32_t fpscr_after; /* 408 out */
    void *top;            /* 412 in:  where the search for the canary ends; 0: no canary */
    uint32_t canaries;    /* 416 out: how many were found intact between sp and top */
    uint32_t hidden,
        back; /* 420 out: r0 at entry, the hidden pointer if there is one; afterwards */
};

_Static_assert(offsetof(struct fz_frame, own) == 16, "shim.S");
_Static_assert(offsetof(struct fz_frame, seen) == 272, "shim.S");
_Static_assert(offsetof(struct fz_frame, fpscr) == 400, "shim.S");
_Static_assert(offsetof(struct fz_frame, canaries) == 416, "shim.S");

#endif /* FZ_SHIM_H */
