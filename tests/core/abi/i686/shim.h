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

#define FZ_FRAME_IS_NO_STACK                  /* state.c looks */
#define FZ_POPS(f, bytes) (f)->pops = (bytes) /* where the shim returns to its caller */
#define FZ_QUIET_NANS /* loading a float or a double makes any NaN one, and a caller may load it   \
                       */

#define FZ_SAVED 4 /* ebx esi edi ebp, whose upper halves are 0 */

struct fz_frame {
    void *target;              /*   0 in:  what to call */
    void *ret;                 /*   4      the caller's return address */
    void *sp;                  /*   8 out: esp at the outgoing arguments */
    void *sp_after;            /*  12 out: esp afterwards */
    uint64_t own[FZ_SAVED];    /*  16      the caller's callee-saved registers */
    uint64_t set[FZ_SAVED];    /*  48 in:  the patterns that they get */
    uint64_t seen[FZ_SAVED];   /*  80 out: what they hold afterwards */
    uint32_t eax, flags;       /* 112 out: eax afterwards, eflags */
    uint32_t mxcsr, mxcsr_own; /* 120 in, 124 */
    uint32_t mxcsr_after;      /* 128 out */
    uint16_t cw, cw_own;       /* 132 in, 134 */
    uint16_t x87[14];          /* 136 out: fnstenv: [0] control, [2] status, [4] tags */
    void *top;                 /* 164 in:  where the search for the canary ends; 0: no canary */
    uint32_t canaries;         /* 168 out: how many were found intact between sp and top */
    uint32_t scratch;          /* 172 in:  garbage for eax */
    uint32_t hidden;           /* 176 out: the first word on the stack, before */
    uint32_t ecx;              /* 180 out: ecx before */
    uint32_t pops;             /* 184 in:  how many bytes the callee is to pop */
};

_Static_assert(offsetof(struct fz_frame, seen) == 80, "shim.S");
_Static_assert(offsetof(struct fz_frame, mxcsr) == 120, "shim.S");
_Static_assert(offsetof(struct fz_frame, top) == 164, "shim.S");
_Static_assert(offsetof(struct fz_frame, pops) == 184, "shim.S");

#endif /* FZ_SHIM_H */
