/* SPDX-License-Identifier: MIT */
/* arch.h - 64-bit Power, big-endian, ELFv1: the numbers that C and assembly must agree on
 *
 * A function's address is here that of a descriptor in data: its code, its TOC pointer, and an
 * environment pointer (64-bit PowerPC ELF ABI Supplement, "Function Descriptors"). So a trampoline
 * is a descriptor and no code:
 *
 *     .quad fs_enter_slot's code, slot, 0, 0
 *
 * R, the register that has the slot's address then, is r2, where libffi's own closure entry expects
 * its closure. That entry finds its TOC in the closure's word FS_SLOT_TOC (slot.h). fs_enter_slot
 * goes on through the entry's descriptor, with the address of that in r12.
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

#define FS_ARCH_NAME "powerpc64"

/* --- tables: what is not as in sizes.h ------------------------------------------------------ */
#define FS_TEXT_ALIGN 0x10000 /* the page that most kernels have here */
#define FS_TRAMP_SIZE 32
#define FS_GROUP_SLOTS 4096 /* no stubs: the only hole is the last one */
#define FS_DESCRIPTORS 1
#include "arch/sizes.h"

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_TOC 16
#define FS_SLOT_CIF 24
#define FS_SLOT_HANDLER 32
#define FS_SLOT_DATA 40

/* --- call frame information of a trampoline: it has no instructions (LR is 65) ---------------- */
#define FS_DWARF_RA 65
/* clang-format off */
#define FS_DWARF_PROGRAM {0} /* DW_CFA_nop */
/* clang-format on */

/* What follows is not for both. */
/* clang-format off */
#ifdef __ASSEMBLER__
#define FS_TRAP trap
#define FS_CODE_OF(name) .Lcode_##name
#define FS_CODE(name)                                                                              \
    .section .opd, "aw";                                                                           \
    .balign 8;                                                                                     \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    .size name, 24;                                                                                \
    name:                                                                                          \
    .quad FS_CODE_OF(name), .TOC.@tocbase, 0;                                                      \
    .text;                                                                                         \
    FS_CODE_OF(name):                                                                              \
    .cfi_startproc
#define FS_END(name) .cfi_endproc
#include "arch/asm.h"
#else
/* r13 is the thread pointer; GCC 14 has no builtin for it here. */
#define FS_THREAD_POINTER()                                                                        \
    ({ void *tp; __asm__("mr %0, 13" : "=r"(tp)); tp; })
#endif
/* clang-format on */

#endif
