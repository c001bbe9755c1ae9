/* SPDX-License-Identifier: MIT */
/* machine.h - 64-bit Power, little-endian: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 32,
    STACK_POINTER = 1,
    DATA_R = 11,
    CODE_R = 10,
    SCRATCH = 12,
    NO_REGISTER = 32,
};
#define DATA_REGISTERS 0xfffffffcu
#define CODE_REGISTERS 0xfffffffcu

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 4, CODE_ALIGN = 4 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 21
#define LANDING_PAD ""

/* The first address that no program can have: the power of two. */
#define USER_TOP(end) (end)

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0x84218421u /* the condition register */
#define FLAGS_KEPT 0xffffffffu

/* li r3, 42, with blr behind it; and in pieces, of which others are sc */
#define CHOSEN_LOW 0x3860002au
#define CHOSEN_LONG (0x4e80002000000000 | CHOSEN_LOW)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x2a, 0x00}, {0x60, 0x38},                                                                \
        {                                                                                          \
            0x00, 0x44                                                                             \
        }                                                                                          \
    }

#endif
