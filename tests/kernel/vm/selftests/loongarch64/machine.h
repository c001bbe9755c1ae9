/* SPDX-License-Identifier: MIT */
/* machine.h - LoongArch: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 32,
    STACK_POINTER = 3,
    DATA_R = 12,
    CODE_R = 14,
    SCRATCH = 13,
    NO_REGISTER = 32,
};
#define DATA_REGISTERS 0xfffffff6u
#define CODE_REGISTERS 0xfffffff6u

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 4, CODE_ALIGN = 4 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 258
#define LANDING_PAD ""

/* The first address that no program can have: the power of two. */
#define USER_TOP(end) (end)

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN 0u /* there are none */
#define FLAGS_KEPT 0u

/* addi.w $a0, $zero, 42, with jr $ra behind it; and in pieces, of which others are syscall */
#define CHOSEN_LOW 0x0280a804u
#define CHOSEN_LONG (0x4c00002000000000 | CHOSEN_LOW)
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x04, 0xa8}, {0x80, 0x02},                                                                \
        {                                                                                          \
            0x2b, 0x00                                                                             \
        }                                                                                          \
    }

#endif
