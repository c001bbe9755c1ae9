/* SPDX-License-Identifier: MIT */
/* probe_state.h - what a probe.h loads before a call, and what it found afterwards
 *
 * probe.h includes this after it has defined REGISTERS, VECTORS, VECTOR_WORDS (how many words of 8
 * bytes a vector register has) and STACK_WORDS, and then checks the offsets that its assembly uses.
 */
#ifndef PROBE_STATE_H
#define PROBE_STATE_H

struct state {
    uint64_t gpr[REGISTERS]; /* general registers, by their DWARF numbers */
    uint64_t vec[VECTORS][VECTOR_WORDS];
    uint64_t flags;
    uint64_t stack[STACK_WORDS];
};
extern struct state hop_in, hop_out;
extern const void *hop_callee;
extern const char hop_back[]; /* where the callee returns to */

#endif
