/* SPDX-License-Identifier: MIT */
/* entry.h - what every entry.S consists of: how its entries are made and found, and void's memory
 *
 * Not a header for C. An architecture's entry.S includes it before its own macros, after it has
 * defined FS_TAIL_LANDING, the landing pad of a jump inside of an entry, and FS_TAIL_FILL, the byte
 * between tails. Before it uses fs_scalars it defines
 *
 *   fs_scalar class, n, tail   the entry for n scalars of a class (g or v; f where floats and
 *                              doubles differ), whose result goes back by FS_TAIL_<tail>
 *
 * Fails when: a tail is longer than FS_TAIL_SIZE; the assembler refuses to go back.
 */
/* clang-format off */

/* A table of entries, void *const name[]. It is filled as the entries are made, in their order. */
.macro fs_table_of_entries name
    .pushsection .data.rel.ro.\name, "aw", %progbits
    .balign __SIZEOF_POINTER__
    .globl \name
    .hidden \name
\name:
    .popsection
.endm

.macro fs_is_next_in name, entry
    .pushsection .data.rel.ro.\name, "aw", %progbits
#if __SIZEOF_POINTER__ == 8
    .quad \entry
#else
    .long \entry
#endif
    .popsection
.endm

/* fs_scalar_<class>[most + 1][FS_FAST_TAILS]. No scalar at all is g0, and v0 the same. */
.macro fs_scalars_of class, n
    .irp tail, 0, 1, 2, 3, 4, 5, 6, 7, 8
    .if \tail < FS_FAST_TAILS
    fs_scalar \class, \n, \tail
    fs_is_next_in fs_scalar_\class, fs_entry_\class\n\()_\tail
    .endif
    .endr
.endm

.macro fs_scalars class, most
    fs_table_of_entries fs_scalar_\class
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8
    .if \n <= \most
    fs_scalars_of \class, \n
    .endif
    .endr
.endm

/* The code of tail `index`, behind that of the one before. */
.macro fs_tail index
    .org fs_tails + (\index - 1) * FS_TAIL_SIZE, FS_TAIL_FILL
    FS_TAIL_LANDING
.endm

/* What `ret` points at where the result is void. libffi's contract is that a handler does not fill
 * *ret then. One that does anyway writes in here. */
    .bss
    .balign 64
fs_nothing:
    .skip 64
    .text
