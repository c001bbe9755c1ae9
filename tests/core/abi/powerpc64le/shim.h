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

/* r14 .. r31, f14 .. f31, v20 .. v31 in halves, the condition register's fields 2 to 4. */
#define FZ_SAVED 61
#define FZ_CR 60
#define FZ_CR_KEPT 0xfff000u

struct fz_frame {
    void *target;            /*    0 in:  what to call */
    void *ret;               /*    8      the caller's return address */
    void *sp;                /*   16 out: r1 at the call; the outgoing arguments are 32 above */
    uint64_t scratch;        /*   24 in:  garbage for r0, r2, r11, f0, v0, v14 .. v19, XER */
    uint64_t own[FZ_SAVED];  /*   32      the caller's callee-saved registers */
    uint64_t set[FZ_SAVED];  /*  520 in:  the patterns that they get */
    uint64_t seen[FZ_SAVED]; /* 1008 out: what they hold afterwards */
    void *sp_after;          /* 1496 out: r1 afterwards */
    uint64_t modes;          /* 1504 in:  FPSCR, the rounding mode */
    uint64_t modes_own;      /* 1512 */
    uint64_t modes_after;    /* 1520 out */
    void *top;               /* 1528 in:  where the search for the canary ends; 0: no canary */
    uint64_t canaries;       /* 1536 out: how many were found intact between sp and top */
    void *toc;               /* 1544      the caller's r2 */
};

_Static_assert(offsetof(struct fz_frame, set) == 520, "shim.S");
_Static_assert(offsetof(struct fz_frame, seen) == 1008, "shim.S");
_Static_assert(offsetof(struct fz_frame, sp_after) == 1496, "shim.S");
_Static_assert(offsetof(struct fz_frame, toc) == 1544, "shim.S");

#endif /* FZ_SHIM_H */
