/* SPDX-License-Identifier: MIT */
/* machine.h - s390x: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 16,
    STACK_POINTER = 15,
    DATA_R = 0,
    CODE_R = 2,
    SCRATCH = 1,
    NO_REGISTER = 16,
};
#define DATA_REGISTERS 0x7fffu
#define CODE_REGISTERS 0x7ffeu

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 2, CODE_ALIGN = 2 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 22
#define LANDING_PAD ""

/* The first address that no program can have, however its page tables grow. */
#define USER_TOP(end) (-(uint64_t)page())

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0x20000000u /* condition code 2, as ipm gives it */
#define FLAGS_KEPT 0x30000000u

/* lghi %r2, 42; and in pieces, of which others are br %r14 and svc 1 */
#define CHOSEN_LOW 0xa729002au
#define CHOSEN_LONG ((uint64_t)CHOSEN_LOW << 32 | 0x07fe0000)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0xa7, 0x29}, {0x07, 0xfe},                                                                \
        {                                                                                          \
            0x0a, 0x01                                                                             \
        }                                                                                          \
    }

#endif
