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

#define FZ_SAVED 6 /* rbx rbp r12 r13 r14 r15 */

struct fz_frame {
    void *target;              /*   0 in:  what to call */
    void *ret;                 /*   8      the caller's return address */
    void *sp;                  /*  16 out: rsp at the outgoing arguments */
    uint64_t hidden;           /*  24 out: rdi at entry, the hidden pointer if there is one */
    uint64_t rax;              /*  32 out: rax afterwards */
    uint64_t own[FZ_SAVED];    /*  40      the caller's callee-saved registers */
    uint64_t set[FZ_SAVED];    /*  88 in:  the patterns that they get */
    uint64_t seen[FZ_SAVED];   /* 136 out: what they hold afterwards */
    void *sp_after;            /* 184 out: rsp afterwards */
    uint64_t flags;            /* 192 out: rflags afterwards */
    uint32_t mxcsr, mxcsr_own; /* 200 in, 204 */
    uint32_t mxcsr_after;      /* 208 out */
    uint16_t cw, cw_own;       /* 212 in, 214 */
    uint64_t scratch[3];       /* 216 in:  garbage for rax, r10, r11 */
    uint16_t x87[14];          /* 240 out: fnstenv: [0] control, [2] status, [4] tags */
    uint32_t spare;            /* 268 */
    uint8_t xmm[16];           /* 272 in:  garbage: upper halves of xmm0-7, all of xmm8-15 */
    void *top;                 /* 288 in:  where the search for the canary ends; 0: no canary */
    uint64_t canaries;         /* 296 out: how many were found intact between sp and top */
};

_Static_assert(offsetof(struct fz_frame, seen) == 136, "shim.S");
_Static_assert(offsetof(struct fz_frame, scratch) == 216, "shim.S");
_Static_assert(offsetof(struct fz_frame, xmm) == 272, "shim.S");
_Static_assert(offsetof(struct fz_frame, canaries) == 296, "shim.S");

#endif /* FZ_SHIM_H */
