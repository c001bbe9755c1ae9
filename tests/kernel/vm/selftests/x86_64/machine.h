/* SPDX-License-Identifier: MIT */
/* machine.h - x86-64: what the tests must know of it (table.h) */
#ifndef MACHINE_H
#define MACHINE_H

/* Registers, by number: how many have a place in probe_in[], which is the stack pointer, R and a
 * code register for most tests, and the one that every jump is spent on (-1: none). NO_REGISTER is
 * a number that none has. */
enum {
    REGISTERS = 16,
    STACK_POINTER = 4,
    DATA_R = 10,
    CODE_R = 11,
    SCRATCH = -1,
    NO_REGISTER = 16,
};
#define DATA_REGISTERS 0xffefu
#define CODE_REGISTERS 0xffefu

/* Instructions begin, and code addresses are, at multiples. */
enum { STEP = 1, CODE_ALIGN = 1 };

/* As ELF has the machine; what a trampoline begins with. */
#define ELF_MACHINE 62
#define LANDING_PAD "\xf3\x0f\x1e\xfa"

/* The first address that no program can have: the last page below is kept from programs. */
#define USER_TOP(end) ((end)-page())

/* What SCRATCH has on arrival by a trampoline of the compact form at `at`. */
#define COMPACT_SCRATCH(at, target) (target)

/* Flags that a call begins with, and those that it must keep. */
#define FLAGS_IN (0x8d7 & ~0x400u)
#define FLAGS_KEPT 0x8d5u

/* push $42; pop %rax; ret: as one number, and in pieces with other code between them */
#define CHOSEN_LOW 0xc3582a6au
#define CHOSEN_LONG CHOSEN_LOW
#define PIECES_OF_TWO                                                                              \
    {                                                                                              \
        {0x6a, 0x2a}, {0x58, 0xc3}, {0x58, 0x90}, {0x0f, 0x05},                                    \
        {                                                                                          \
            0xcd, 0x80                                                                             \
        }                                                                                          \
    }

#endif
