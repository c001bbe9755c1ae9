/* SPDX-License-Identifier: MIT */
/* machine.h - 32-bit ARM programs on arm64 kernels: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 15,
    STACK_POINTER = 13,
    DATA_R = 4,
    CODE_R = 9,
    SCRATCH = 12,
    NO_REGISTER = 16,
};
#define DATA_REGISTERS 0x5fffu
#define CODE_REGISTERS 0x5fffu

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 4, CODE_ALIGN = 1 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 40
#define LANDING_PAD ""

/* The first address that no program can have. */
#define USER_TOP(end) (0xffff0000u)

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0xf0000000u
#define FLAGS_KEPT 0xf0000000u

/* mov r0, #42, with bx lr behind it; and in pieces */
#define CHOSEN_LOW 0xe3a0002au
#define CHOSEN_LONG (0xe12fff1e00000000 | CHOSEN_LOW)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x2a, 0x00}, {0xa0, 0xe3},                                                                \
        {                                                                                          \
            0x1e, 0xff                                                                             \
        }                                                                                          \
    }

#endif
