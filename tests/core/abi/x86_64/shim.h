/* SPDX-License-Identifier: MIT */
/* shim.h - the call shim's frame: what it sets before a call and what it found afterwards
 *
 * One folder per ISA; each exports fz_shim and fz_frame and this struct. shim.S uses the offsets
 * below as they stand, so they are asserted here.
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

extern struct fz_frame *fz_frame; /* the frame of the next or running call */
extern const char *const fz_saved_names[FZ_SAVED];

/* Call fz_frame->target. To be cast to any function type; it passes registers and stack on. */
void fz_shim(void);

/* Put garbage into every register that a callee need not preserve. */
void fz_clobber(void);

/* Faults, put between shim and closure to prove that the checks can fail; see faults.S. */
extern void *fz_real;
extern uint64_t fz_magic;
struct fz_fault {
    const char *name;
    void (*thunk)(void);
};
extern const struct fz_fault fz_faults[]; /* ends with a NULL name */

/* Inlined, so that a handler can look at its own state. */
static inline uint32_t fz_get_mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static inline uint16_t fz_get_cw(void)
{
    uint16_t value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static inline uint64_t fz_get_flags(void)
{
    return __builtin_ia32_readeflags_u64();
}

#define FZ_FLAG_DF 0x400u
#define FZ_MXCSR_CONTROL 0xffc0u
#endif /* FZ_SHIM_H */
