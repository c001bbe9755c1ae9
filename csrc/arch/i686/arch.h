/* SPDX-License-Identifier: MIT */
/* arch.h - i386: the numbers that C and assembly must agree on
 *
 * There is no register R here. The System V ABI leaves eax, ecx and edx to the callee, but a
 * convention that passes arguments in registers (FFI_REGISTER, regparm) takes all three. So R is
 * a word of the stack, as in libffi's own static trampolines, whose entries (ffi_closure_*_alt)
 * are bound as they are. Where the slot's entry is reached:
 *
 *      8(%esp)   return address
 *      4(%esp)   slot: R
 *      0(%esp)   the caller's eax; eax itself is spent
 *
 * A mapped trampoline has 32 bytes, as many as its slot, so all are at the same distance from their
 * slots and what comes after `call` is the same for all:
 *
 *     endbr32                      4
 *     push  %eax                   1     room for the slot
 *     push  %eax                   1
 *     call  stub                   5     stub: mov (%esp), %eax; ret: the only way to find the pc
 *     jmp   stub + 6               5     lea slot, %eax; mov %eax, 4(%esp); jmp *hot
 *
 * One stub for the 127 trampolines of its page. The call returns to where it came from, so a
 * processor's stack of return addresses stays right. `hot` is one pointer per table and leads to
 * fs_e0: mov 4(%esp), %eax; jmp *(%eax). Not at once, though eax has the slot: measured here too,
 * with 100,000 closures in random order the detour takes a third of the time, because a jump of
 * each trampoline's own waits for the slot's cache line (see x86-64's arch.h).
 *
 * There is no abi.c here: closures of libffi keep libffi's own entries (hook/unplanned.c).
 */
#ifndef FS_ARCH_H
#define FS_ARCH_H

/* --- tables: see tramp/table.h for what they are ------------------------------------------- */
#define FS_TRAMP_SIZE 32      /* bytes of code per slot */
#define FS_SLOT_SIZE 32       /* bytes of data per slot */
#define FS_TABLE_SLOTS 4096   /* in a mapped table, holes counted */
#define FS_GROUP_SLOTS 128    /* each group's last trampoline is the group's stub, not a slot */
#define FS_RESIDENT_SLOTS 256 /* in the library's own text; no holes */
#define FS_TABLE_CODE (FS_TABLE_SLOTS * FS_TRAMP_SIZE) /* 128 KiB */
#define FS_TABLE_DATA (FS_TABLE_SLOTS * FS_SLOT_SIZE)  /* 128 KiB, right behind the code */
#define FS_TABLE_SPAN 0x40000                          /* a table's address is a multiple */
#define FS_TEXT_ALIGN 4096

/* More protection for mapped code than R-X: none, IBT knows no marked pages. */
#define FS_PROT_LANDING 0

/* --- a slot that is a closure: offsets of its words, as libffi has them --------------------- */
#define FS_SLOT_ENTRY 0
#define FS_SLOT_EAX 4 /* where fs_slot_in_eax goes on */
#define FS_SLOT_CIF 16
#define FS_SLOT_HANDLER 20
#define FS_SLOT_DATA 24

/* --- call frame information of a trampoline (esp is 4, the return address is 8). The stack moves
 *     within it, at the same place in each, so the place says where the CFA is: esp + 4, and 4
 *     more behind each push (DWARF 4, 2.5). The stub keeps to it: what is called stands in its
 *     first 5 bytes, what is jumped to begins behind 6. ---------------------------------------- */
#define FS_DWARF_RA 8
/* clang-format off */
#define FS_DWARF_PROGRAM {FS_DWARF_ROW}
#define FS_DWARF_ROW                                                                               \
    0x80 | 8, 1,        /* DW_CFA_offset ra 1 */                                                   \
    0x0f, 16,           /* DW_CFA_def_cfa_expression, of 16 bytes: */                              \
    0x74, 4,            /* DW_OP_breg4 4: esp + 4 */                                               \
    0x78, 0,            /* DW_OP_breg8 0: pc */                                                    \
    0x4f, 0x1a, 0x12,   /* DW_OP_lit31, and, dup */                                                \
    0x35, 0x2a,         /* DW_OP_lit5, ge */                                                       \
    0x16, 0x36, 0x2a,   /* DW_OP_swap, lit6, ge */                                                 \
    0x22, 0x32, 0x24,   /* DW_OP_plus, lit2, shl: times 4 */                                       \
    0x22                /* DW_OP_plus */

/* What follows is not for both. */
#ifdef __ASSEMBLER__
/* What every assembly file needs: no executable stack, and the CET property note (x86 psABI,
 * "Program property": IBT and SHSTK). */
#define FS_ASM_NOTES                                                                               \
    .section .note.GNU-stack, "", @progbits;                                                       \
    .section .note.gnu.property, "a";                                                              \
    .balign 4;                                                                                     \
    .long 4, 12, 5;                                                                                \
    .asciz "GNU";                                                                                  \
    .long 0xc0000002, 4, 3
/* A hidden function with a frame description and a landing pad. */
#define FS_FUNC(name)                                                                              \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, @function;                                                                         \
    name:                                                                                          \
    .cfi_startproc;                                                                                \
    endbr32
/* One that is reached from a trampoline: R and the caller's eax are above the return address. */
#define FS_ENTRY(name)                                                                             \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, @function;                                                                         \
    name:                                                                                          \
    .cfi_startproc;                                                                                \
    .cfi_def_cfa_offset 12;                                                                        \
    endbr32
#define FS_END(name)                                                                               \
    .cfi_endproc;                                                                                  \
    .size name, .- name
#else
/* An entry for what expects its slot in eax, and the stack as the caller left it: goes on at the
 * slot's word FS_SLOT_EAX. libffi's raw closures are that. */
void fs_slot_in_eax(void) __attribute__((visibility("hidden")));
#endif
/* clang-format on */

#endif
