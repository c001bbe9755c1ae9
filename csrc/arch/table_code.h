/* SPDX-License-Identifier: MIT */
/* table_code.h - what each table.S consists of: template, resident table, their common code
 *
 * Not a header for C: an architecture's table.S says in macros how its trampolines look, and
 * includes this file last. R is the register that a trampoline loads with its slot's address, fs_i
 * the slot's number.
 *
 *   fs_trampoline        FS_TRAMP_SIZE bytes of the template: R = slot fs_i, go to the next `1:`
 *   fs_stub              a group's stub, in place of its last trampoline:
 *                        `1:` jump to where word 0 of the table's header says
 *   fs_resident          FS_TRAMP_SIZE bytes of the resident table: R = slot fs_i of
 *                        fs_resident_slots, jump to the slot's entry, or go to fs_enter_slot
 *   fs_enter             jump to the entry of the slot in R
 *   fs_report name, to   the body of function `name`, which calls to(slot, return address)
 *
 * Where a function's address is that of a descriptor (FS_DESCRIPTORS), a trampoline is one. Then
 * fs_resident is FS_TRAMP_SIZE bytes of data: the code address of fs_enter_slot, and the slot's
 * address where the pointer to global data is in others. fs_trampoline and fs_stub are not needed.
 *
 * arch.h defines FS_TRAP, an instruction that is never reached. table.S defines, where it must:
 *
 *   FS_TRAP_SIZE         of FS_TRAP, if that is not 4
 *   FS_STUB_SLOTS        how many trampolines' places a stub takes, if that is not 1
 *   FS_TRAMP_CFI         how frames inside of trampolines differ from a function's
 *   FS_RESIDENT_STUB     code that all resident trampolines share
 *   FS_MORE_ENTRIES      entries besides fs_enter_slot, fs_freed and fs_unprepared
 *
 * Why a mapped trampoline does not jump through its slot at once, even where it has room to: each
 * trampoline would have an indirect jump of its own. With many closures the processor cannot
 * predict where such a jump goes, and waits until the slot's cache line has arrived. The stub's
 * jump is one for a whole group, goes through a pointer that stays in the cache, and is predicted;
 * while it is taken, the slot is fetched, because its address is in R. fs_enter_slot then has the
 * only jump through a slot. This was measured on x86-64 and i386; there was no hardware of the
 * others. Resident slots are few and stay in the cache, so resident trampolines jump through them
 * where they have room to.
 *
 * Slots are data: what is written to one is loaded, never executed. So preparing a closure needs no
 * cache maintenance, no fence.i, no ibar and no system call on behalf of other cores. Mapped code
 * comes from a file, whose pages the kernel makes coherent.
 *
 * Fails when: a slot's first word is not a code address. That of a free slot is fs_freed's.
 */
/* clang-format off */
#include "arch/asm.h"

#ifndef FS_TRAP_SIZE
#define FS_TRAP_SIZE 4
#endif
#ifndef FS_STUB_SLOTS
#define FS_STUB_SLOTS 1
#endif
#ifndef FS_TRAMP_CFI
#define FS_TRAMP_CFI
#endif
#ifndef FS_RESIDENT_STUB
#define FS_RESIDENT_STUB
#endif
#ifndef FS_MORE_ENTRIES
#define FS_MORE_ENTRIES
#endif

FS_ASM_BEGIN

#if FS_DESCRIPTORS
/* Function descriptors, of which fs_resident makes one, are data. A mapped table's are made by
 * tramp/descriptor.c, so the template is one place that nobody reads for what is in it. */
    .section .data.rel.ro, "aw", %progbits
    .balign FS_TRAMP_SIZE
    .globl fs_resident_code
    .hidden fs_resident_code
    .type fs_resident_code, %object
    .size fs_resident_code, FS_RESIDENT_SLOTS * FS_TRAMP_SIZE
fs_resident_code:
    fs_i = 0
    .rept FS_RESIDENT_SLOTS
    fs_resident
    fs_i = fs_i + 1
    .endr
    .globl fs_table_code
    .hidden fs_table_code
    .type fs_table_code, %object
    .size fs_table_code, FS_TRAMP_SIZE
fs_table_code:
    .fill FS_TRAMP_SIZE, 1, 0xff
    .text
#else
/* The template: R-X code whose data lies FS_TABLE_CODE bytes behind it *wherever it is mapped*.
 * Here, in the library's own text, it is never run. Place 0 has no trampoline: its slot is the
 * table's header, whose word 0 is `hot`, the address of fs_enter_slot. */
    .text
    .balign FS_TEXT_ALIGN
FS_CODE(fs_table_code)
    FS_TRAMP_CFI
.Ltable: /* for distances that the assembler is to work out, not the linker */
    fs_i = 0
    .rept FS_TABLE_SLOTS / FS_GROUP_SLOTS
    .rept FS_GROUP_SLOTS - FS_STUB_SLOTS
    .if fs_i
    fs_trampoline
    .else
    .rept FS_TRAMP_SIZE / FS_TRAP_SIZE
    FS_TRAP
    .endr
    .endif
    fs_i = fs_i + 1
    .endr
    fs_stub
    fs_i = fs_i + FS_STUB_SLOTS
    .endr
    .org .Ltable + FS_TABLE_CODE /* assemblers refuse it when a macro has made too much */
FS_END(fs_table_code)

/* The resident table: the first trampolines of a process, for which nothing is mapped and the
 * system is not asked. Their slots are .bss, at a distance that the linker knows. */
FS_CODE(fs_resident_code)
    FS_TRAMP_CFI
    fs_i = 0
    .rept FS_RESIDENT_SLOTS
    fs_resident
    fs_i = fs_i + 1
    .endr
FS_END(fs_resident_code)
    FS_RESIDENT_STUB
#endif

/* In: R = slot. Out: whatever the slot's entry makes of it. Kept: all that a trampoline keeps. */
    .balign 16
FS_ENTRY(fs_enter_slot)
    fs_enter
FS_END(fs_enter_slot)
    FS_MORE_ENTRIES

/* The entries of a free slot and of one that nobody has prepared. In: R = slot. They never return.
 * Their frame is a standard one, so that a debugger shows the caller:
 * void to(void *slot, void *return_address). */
    .balign 16
FS_ENTRY(fs_freed)
    fs_report fs_freed, fs_report_freed
FS_END(fs_freed)
    .balign 16
FS_ENTRY(fs_unprepared)
    fs_report fs_unprepared, fs_report_unprepared
FS_END(fs_unprepared)

    .bss
    .balign 4096
    .globl fs_resident_slots
    .hidden fs_resident_slots
    .type fs_resident_slots, %object
    .size fs_resident_slots, FS_RESIDENT_SLOTS * FS_SLOT_SIZE
fs_resident_slots:
    .skip FS_RESIDENT_SLOTS * FS_SLOT_SIZE

FS_ASM_NOTES
