/* SPDX-License-Identifier: MIT */
/* entry_order_lp64.h - RISC-V and LoongArch: entries for scalars whose order says where they are
 *
 * Not a header for C; entry_lp64.h includes it behind the macros that these entries use. They read
 * no plan: fs_abi_shaped_entry() has chosen them by the order of the arguments, and has written
 * where they go on to the slot (FS_SLOT_REST).
 *
 * Fails when: an entry is longer than FS_MIXED_SIZE; the assembler refuses to go back.
 */
/* clang-format off */

#if FS_FLEN
/* --- scalars of both classes, all in registers -------------------------------------------------
 * The number of an entry is fs_abi's `order`: 1, then a bit for each of 2 to FS_MIXED arguments, of
 * the first one first; 1 is a vector register. The entry saves the arguments in their order. What is
 * left to do is what the entry for as many general ones does after that, and is done there. */
.macro fs_mixed_argument at
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7
    .if fs_is_vector && \k == fs_vectors
    FSAVE(R(fa\k), (8 * \at), SP)
    .elseif !fs_is_vector && \k == fs_generals
    SD(R(a\k), (8 * \at), SP)
    .endif
    .endr
    .if fs_is_vector
    .set fs_vectors, fs_vectors + 1
    .else
    .set fs_generals, fs_generals + 1
    .endif
.endm

.macro fs_mixed_arguments n
    .set fs_vectors, 0
    .set fs_generals, 0
    .irp at, 0, 1, 2, 3, 4, 5
    .if \at < \n
    .set fs_is_vector, fs_order & (1 << (\n - 1 - \at))
    fs_mixed_argument \at
    .endif
    .endr
.endm

    .balign 64
FS_CODE(fs_entry_mixed)
    .set fs_order, 4
    .rept (2 << FS_MIXED) - 4
    .cfi_remember_state
    FS_LANDING
    fs_enter_frame SCALAR_FRAME, SCALAR_RA
    .irp n, 2, 3, 4, 5, 6
    .if fs_order >> \n == 1
    fs_mixed_arguments \n
    .endif
    .endr
    LD(T0, FS_SLOT_REST, SLOT)
    JR(T0)
    .cfi_restore_state
    .set fs_order, fs_order + 1
    /* Behind each, and none at the beginning: where .org moves by nothing in front of a .cfi line,
     * RISC-V's assembler (2.40) writes a relocation over the size of the function's description. */
    .org fs_entry_mixed + (fs_order - 4) * FS_MIXED_SIZE, FS_TAIL_FILL
    .endr
FS_END(fs_entry_mixed)
#endif

/* --- integers and pointers alone, more than there are registers ---------------------------------
 * They are in the frame's words, one behind the other, of which the caller's stack has the last
 * ones. The frame is the planned one, with more room for avalue:
 *
 *      sp+FS_WORDS_MORE   the planned frame, of which avalue[12] is not used alone
 *      sp                 avalue[FS_WORDS]
 */
#define FS_WORDS_MORE (8 * FS_WORDS + FS_FRAME_ARGV - FS_FRAME_RET)

/* avalue[i] = its word, from the last one to the first: the slot says which is the last. */
.macro fs_word i
    FS_LANDING
    ADDI(T0, SP, (FS_WORDS_MORE + AT(FS_FRAME_GPR) + 8 * \i))
    SD(T0, (8 * \i), SP)
.endm

    .balign 64
FS_FUNC(fs_entry_words)
    fs_enter_frame (FS_FRAME_SIZE + FS_WORDS_MORE), (LINK + FS_WORDS_MORE)
    fs_save_g 8, (AT(FS_FRAME_GPR) + FS_WORDS_MORE)
    LD(T0, FS_SLOT_REST, SLOT)
    JR(T0)
    FS_LANDING_PLACE
    FS_WHOLE_WORDS
    .irp i, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16
    fs_word \i
    .endr
    .irp i, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
    fs_word \i
    .endr
    FS_ANY_WORDS
    .globl fs_words_end
    .hidden fs_words_end
fs_words_end:
    fs_clear (RESULT + FS_WORDS_MORE), 16
    LHU(T1, FS_PLAN_TAIL, SLOT)
    LD(T0, FS_SLOT_HANDLER, SLOT)
    ADDI(R(a1), SP, (RESULT + FS_WORDS_MORE))
    SD(T1, (TAIL + FS_WORDS_MORE), SP)
    LD(R(a0), FS_SLOT_CIF, SLOT)
    LD(R(a3), FS_SLOT_DATA, SLOT)
    MV(R(a2), SP)
    JALR(T0)
    ADDI(SP, SP, FS_WORDS_MORE)
    .cfi_def_cfa_offset FS_FRAME_SIZE
    LD(T0, TAIL, SP)
    BNEZ(T0, 1f)
    fs_load_uniform
    fs_leave_frame FS_FRAME_SIZE, LINK
1:  fs_dispatch
FS_END(fs_entry_words)
