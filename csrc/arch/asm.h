/* SPDX-License-Identifier: MIT */
/* asm.h - how an assembly file begins, how its functions do, and what stands at its end
 *
 * arch.h includes this, for assembly only, after it has defined what its architecture has of:
 *
 *   FS_ASM_BEGIN           directives that every file of it begins with
 *   FS_LANDING             the landing pad that an indirect jump must arrive at
 *   FS_ENTRY_CFI           how frames of what trampolines jump to differ from a function's
 *   FS_UNWIND_BEGIN, _END  tables of an unwinder that does not read .cfi
 *   FS_CODE, FS_END        where a function's symbol is not its code's
 *   FS_PROPERTY_TYPE, _BITS  the program property note: what the processor may enforce here
 *
 * What it leaves out is empty. `%function` is `@function` in a spelling that ARM takes, too.
 */
#ifndef FS_ASM_H
#define FS_ASM_H

/* clang-format off */
#ifndef FS_ASM_BEGIN
#define FS_ASM_BEGIN
#endif
#ifndef FS_LANDING
#define FS_LANDING
#endif
#ifndef FS_ENTRY_CFI
#define FS_ENTRY_CFI
#endif
#ifndef FS_UNWIND_BEGIN
#define FS_UNWIND_BEGIN
#define FS_UNWIND_END
#endif

/* Hidden code with a frame description: FS_CODE is bare, FS_FUNC can be called through a pointer,
 * FS_ENTRY is reached from a trampoline. Each ends with FS_END. */
#ifndef FS_CODE
#define FS_CODE(name)                                                                              \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    name:                                                                                          \
    FS_UNWIND_BEGIN;                                                                               \
    .cfi_startproc
#endif
#define FS_FUNC(name)                                                                              \
    FS_CODE(name);                                                                                 \
    FS_LANDING
#define FS_ENTRY(name)                                                                             \
    FS_CODE(name);                                                                                 \
    FS_ENTRY_CFI;                                                                                  \
    FS_LANDING
#ifndef FS_END
#define FS_END(name)                                                                               \
    .cfi_endproc;                                                                                  \
    FS_UNWIND_END;                                                                                 \
    .size name, .- name
#endif

/* The end of every file: no executable stack, and the property note (NT_GNU_PROPERTY_TYPE_0 is 5;
 * its descriptor is padded to a pointer's size). The linker ANDs the bits of all objects. */
#ifndef FS_PROPERTY_TYPE
#define FS_ASM_PROPERTY
#elif __SIZEOF_POINTER__ == 8
#define FS_ASM_PROPERTY                                                                            \
    .section .note.gnu.property, "a";                                                              \
    .balign 8;                                                                                     \
    .long 4, 16, 5;                                                                                \
    .asciz "GNU";                                                                                  \
    .long FS_PROPERTY_TYPE, 4, FS_PROPERTY_BITS, 0
#else
#define FS_ASM_PROPERTY                                                                            \
    .section .note.gnu.property, "a";                                                              \
    .balign 4;                                                                                     \
    .long 4, 12, 5;                                                                                \
    .asciz "GNU";                                                                                  \
    .long FS_PROPERTY_TYPE, 4, FS_PROPERTY_BITS
#endif
#define FS_ASM_NOTES                                                                               \
    .section .note.GNU-stack, "", %progbits;                                                       \
    FS_ASM_PROPERTY
/* clang-format on */

#endif
