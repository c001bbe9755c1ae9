/* SPDX-License-Identifier: MIT */
/* arch.h - LoongArch, LP64: the numbers that C and assembly must agree on
 *
 * R, the register that a trampoline loads with its slot's address, is $t0 ($r12), where libffi's
 * own closure entry expects its closure; the jumps go through $t1 ($r13). Both are temporaries, and
 * no argument is ever in them (LoongArch psABI, "Register Convention").
 *
 * A mapped trampoline is 16 bytes:
 *
 *     pcaddi $t0, slot             4     within 2 MiB: a table is 320 KiB
 *     b      stub                  4     stub: pcaddi, ld.d $t1, hot; jr $t1; one for 256 of them
 *     break                        8     twice
 *
 * `hot` is one pointer per table and leads to fs_e0: ld.d $t1, 0($t0); jr $t1. There would be room
 * to do those two at once. But then each trampoline were an indirect jump of its own that waits for
 * its slot's cache line, while the stub's pointer is in the cache, its jump is the same one for
 * all, and the slot can be fetched meanwhile. (Measured on x86-64, whose trampolines take the same
 * way; no LoongArch hardware was at hand.)
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

/* More protection for mapped code than R-X: there is none. */
#define FS_PROT_LANDING 0

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline (LoongArch psABI: $sp is 3, $ra is 1). The CFA is $sp
 *     all along and the return address is in its register; five bytes, the rest DW_CFA_nop. ---- */
#define FS_DWARF_RA 1
/* clang-format off */
#define FS_DWARF_PROGRAM {0x0c, 3, 0, 0, 0} /* DW_CFA_def_cfa sp 0 */
/* clang-format on */

/* What follows is not C. */
/* clang-format off */
#ifdef __ASSEMBLER__
/* What every assembly file needs: no executable stack. */
#define FS_ASM_NOTES .section .note.GNU-stack, "", %progbits
/* A hidden function with a frame description. */
#define FS_FUNC(name)                                                                              \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    name:                                                                                          \
    .cfi_startproc
#define FS_END(name)                                                                               \
    .cfi_endproc;                                                                                  \
    .size name, .- name
#endif
/* clang-format on */

#endif
