/* SPDX-License-Identifier: MIT */
/* machine.h - arm64: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 31,
    STACK_POINTER = 31,
    DATA_R = 17,
    CODE_R = 9,
    SCRATCH = 16,
    NO_REGISTER = 32,
};
#define DATA_REGISTERS 0x7fffffffu
#define CODE_REGISTERS 0x7fffffffu

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 4, CODE_ALIGN = 4 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 183
#define LANDING_PAD "\x5f\x24\x03\xd5"

/* The first address that no program can have: the power of two. */
#define USER_TOP(end) (end)

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0xf0000000u
#define FLAGS_KEPT 0xf0000000u

/* mov w0, #42, with ret behind it; and in pieces */
#define CHOSEN_LOW 0x52800540u
#define CHOSEN_LONG (0xd65f03c000000000 | CHOSEN_LOW)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x40, 0x05}, {0x80, 0x52}, {0xc0, 0x03},                                                  \
        {                                                                                          \
            0x5f, 0xd6                                                                             \
        }                                                                                          \
    }

#endif
