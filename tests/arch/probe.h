/* SPDX-License-Identifier: MIT */
/* probe.h - what each architecture's probe.S offers to the tests of its trampolines
 *
 * Registers are counted as the architecture counts them (on x86-64: as its instructions encode
 * them), so `probe_kept` is a mask of register numbers.
 */
#ifndef FS_PROBE_H
#define FS_PROBE_H

#include <stdint.h>

/* An entry for a slot: returns what the trampoline has put into R. */
void probe_self(void);

/* An entry for a slot: writes every register into probe_regs and returns. */
void probe_entry(void);

/* Load the registers of probe_kept from `in`, call `code`, and return the stack pointer that the
 * callee should have seen right after the call instruction. */
uintptr_t probe_call(void *code, const uintptr_t in[32]);

/* Where a trampoline moves the stack (step.c): call `code` with every instruction trapped; and do
 * so and see that each is unwound: how many, or 0. */
void probe_step(void *code);
unsigned probe_steps(void *code) __attribute__((weak));

extern uintptr_t probe_regs[32];
extern const uintptr_t probe_kept; /* registers that a trampoline must leave alone */
extern const uintptr_t probe_r;    /* the number of R */
extern const uintptr_t probe_sp;   /* the number of the stack pointer */

#endif
