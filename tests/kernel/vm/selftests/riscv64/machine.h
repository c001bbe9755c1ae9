/* SPDX-License-Identifier: MIT */
/* machine.h - RISC-V: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 32,
    STACK_POINTER = 2,
    DATA_R = 6,
    CODE_R = 7,
    SCRATCH = 28,
    NO_REGISTER = 32,
};
#define DATA_REGISTERS 0xfffffffau
#define CODE_REGISTERS 0xfffffffau

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 2, CODE_ALIGN = 2 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 243
#define LANDING_PAD "\x17\0\0\0"

/* The first address that no program can have: the power of two. */
#define USER_TOP(end) (end)

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0u /* there are none */
#define FLAGS_KEPT 0u

/* li a0, 42, with ret behind it; and in pieces, one of them a compressed ret */
#define CHOSEN_LOW 0x02a00513u
#define CHOSEN_LONG (0x0000806700000000 | CHOSEN_LOW)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x13, 0x05}, {0xa0, 0x02},                                                                \
        {                                                                                          \
            0x82, 0x80                                                                             \
        }                                                                                          \
    }

#endif
