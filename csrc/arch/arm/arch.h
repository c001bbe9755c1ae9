/* SPDX-License-Identifier: MIT */
/* arch.h - ARM, 32-bit EABI: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is ip (r12). The procedure call
 * standard (AAPCS32, 6.1.1) gives it to veneers between a call and its target: no argument is ever
 * in it, and libffi's own closure entries expect their closure there. So these are bound, not their
 * ffi_closure_*_alt. There is no second register to spend: every jump is a load into pc, which also
 * changes to Thumb where the target's address is odd (ARMv5T).
 *
 * A mapped trampoline is 16 bytes of ARM code:
 *
 *     add   ip, pc, slot & 0x3fc00 4
 *     add   ip, ip, slot & 0x3fc   4     a table is 192 KiB
 *     b     stub                   4     stub: ldr pc, hot; one for the table
 *     udf                          4
 *
 * `hot` is one pointer per table and leads to fs_e0: ldr pc, [ip]. It must be within 4 KiB of the
 * stub, which therefore is the table's last trampoline, right in front of it. There would be room
 * for `ldr pc, [ip, ...]!` in place of the second add and the jump. But then each trampoline were
 * an indirect jump of its own that waits for its slot's cache line, while the stub's pointer is in
 * the cache, its jump is the same one for all, and the slot can be fetched meanwhile. (Measured on
 * x86-64, whose trampolines take the same way; no ARM hardware was at hand.)
 *
 * There is no abi.c here: closures of libffi keep libffi's own entries (hook/unplanned.c).
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: see tramp/table.h for what they are ------------------------------------------- */
#define FS_TRAMP_SIZE 16      /* bytes of code per slot */
#define FS_SLOT_SIZE 32       /* bytes of data per slot */
#define FS_TABLE_SLOTS 4096   /* in a mapped table, holes counted */
#define FS_GROUP_SLOTS 4096   /* the group's last trampoline is its stub, not a slot */
#define FS_RESIDENT_SLOTS 256 /* in the library's own text; no holes */
#define FS_TABLE_CODE (FS_TABLE_SLOTS * FS_TRAMP_SIZE) /* 64 KiB: whole pages of 4, 16 or 64 */
#define FS_TABLE_DATA (FS_TABLE_SLOTS * FS_SLOT_SIZE)  /* 128 KiB, right behind the code */
#define FS_TABLE_SPAN 0x40000                          /* a table's address is a multiple */
#define FS_TEXT_ALIGN 0x10000                          /* the largest page of a 64-bit kernel */

/* More protection for mapped code than R-X: none. */
#define FS_PROT_LANDING 0

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 12
#define FS_SLOT_HANDLER 16
#define FS_SLOT_DATA 20

/* --- call frame information of a trampoline (DWARF for ARM: sp is 13, lr is 14). The CFA is sp
 *     all along and the return address is in its register. libgcc's unwinder for ARM knows only the
 *     tables of loaded objects (EHABI), and has no function that would take this. -------------- */
#define FS_DWARF_RA 14
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 13, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
/* What every assembly file needs: ARM code, whatever the compiler makes of C; frames described for
 * debuggers, because exceptions use EHABI's tables; no executable stack. */
#define FS_ASM_BEGIN                                                                               \
    .syntax unified;                                                                               \
    .arm;                                                                                          \
    .cfi_sections .debug_frame
#define FS_ASM_NOTES .section .note.GNU-stack, "", %progbits
/* A hidden function with a frame description. */
#define FS_FUNC(name)                                                                              \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    name:                                                                                          \
    .fnstart;                                                                                      \
    .cfi_startproc
#define FS_END(name)                                                                               \
    .cfi_endproc;                                                                                  \
    .fnend;                                                                                        \
    .size name, .- name
#endif
/* clang-format on */

#endif
