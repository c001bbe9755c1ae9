/* SPDX-License-Identifier: MIT */
/* arch.h - AArch64, LP64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is x17. The procedure call
 * standard (AAPCS64, 6.1.1) gives x16 and x17 to veneers between a call and its target: no
 * argument is ever in them, and libffi's own closure entries expect their closure in x17. x16 is
 * what the jumps go through: BR x16 may arrive at a `bti c` where BR of most others may not.
 *
 * A mapped trampoline is 16 bytes:
 *
 *     bti   c                      4
 *     adr   x17, slot              4     within 1 MiB: a table is 320 KiB
 *     b     stub                   4     stub: ldr x16, hot; br x16; one for 256 trampolines
 *     brk                          4
 *
 * `hot` is one pointer per table and leads to fs_e0: ldr x16, [x17]; br x16. There would be room
 * to do those two at once. But then each trampoline were an indirect jump of its own that waits
 * for its slot's cache line, while the stub's pointer is in the cache, its jump is the same one
 * for all, and the slot can be fetched meanwhile. (Measured on x86-64, whose trampolines take the
 * same way; no AArch64 hardware was at hand.)
 *
 * There is no abi.c here: closures of libffi keep libffi's own entries (hook/unplanned.c).
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: see tramp/table.h for what they are ------------------------------------------- */
#define FS_TRAMP_SIZE 16      /* bytes of code per slot */
#define FS_SLOT_SIZE 64       /* bytes of data per slot */
#define FS_TABLE_SLOTS 4096   /* in a mapped table, holes counted */
#define FS_GROUP_SLOTS 256    /* each group's last trampoline is the group's stub, not a slot */
#define FS_RESIDENT_SLOTS 256 /* in the library's own text; no holes */
#define FS_TABLE_CODE (FS_TABLE_SLOTS * FS_TRAMP_SIZE) /* 64 KiB: whole pages of 4, 16 or 64 */
#define FS_TABLE_DATA (FS_TABLE_SLOTS * FS_SLOT_SIZE)  /* 256 KiB, right behind the code */
#define FS_TABLE_SPAN 0x80000                          /* a table's address is a multiple */
#define FS_TEXT_ALIGN 0x10000                          /* the largest page that Linux has here */

/* Provider trampfd: R's number; where a trampoline loads its slot's address from the constants,
 * which are FS_TABLE_CODE bytes before the code, and how: ldr x17, . + 12 - FS_TABLE_CODE; and the
 * stub, which jumps through the first word of its group's constants: ldr x16, . - 4080 -
 * FS_TABLE_CODE; br x16; brk 0. */
#define FS_TRAMPFD_R 17
#define FS_TRAMPFD_LOAD_AT 4
/* clang-format off */
#define FS_TRAMPFD_LOAD {0x71, 0x00, 0xf8, 0x58}
#define FS_TRAMPFD_STUB {0x90, 0x80, 0xf7, 0x58, 0x00, 0x02, 0x1f, 0xd6, \
                         0x00, 0x00, 0x20, 0xd4, 0x00, 0x00, 0x20, 0xd4}
/* clang-format on */

/* PROT_BTI (Linux 5.8): an indirect jump into a mapped table must arrive at a `bti c`, as in the
 * library's own text where that is marked. mmap() ignores it where there is no such thing. */
#define FS_PROT_LANDING 0x10

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline (DWARF for AArch64: sp is 31, x30 is 30). The CFA is
 *     sp all along and the return address is in its register; five bytes, the rest DW_CFA_nop. - */
#define FS_DWARF_RA 30
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 31, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
/* `bti c` as the hint that it is: assemblers know its name only for an architecture that has it,
 * processors without it run a nop. */
#define FS_LANDING hint 34
/* What every assembly file needs: no executable stack, and the property note (ELF for AArch64,
 * "Program Property": BTI, and PAC, which promises nothing of code that saves no return address
 * but that it does not stand in its way). */
#define FS_ASM_NOTES                                                                               \
    .section .note.GNU-stack, "", %progbits;                                                       \
    .section .note.gnu.property, "a";                                                              \
    .balign 8;                                                                                     \
    .long 4, 16, 5;                                                                                \
    .asciz "GNU";                                                                                  \
    .long 0xc0000000, 4, 3, 0
/* A hidden function with a frame description and a landing pad. */
#define FS_FUNC(name)                                                                              \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    name:                                                                                          \
    .cfi_startproc;                                                                                \
    FS_LANDING
#define FS_END(name)                                                                               \
    .cfi_endproc;                                                                                  \
    .size name, .- name
#endif
/* clang-format on */

#endif
