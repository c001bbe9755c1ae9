/* SPDX-License-Identifier: MIT */
/* sizes.h - how large a table and its parts are, for C and assembly (tramp/table.h draws one)
 *
 * arch.h includes this after it has defined FS_TEXT_ALIGN, the largest page that a kernel may have
 * there, and those of the following that are other numbers on its architecture.
 */
#ifndef FS_SIZES_H
#define FS_SIZES_H

#ifndef FS_TRAMP_SIZE
#define FS_TRAMP_SIZE 16 /* bytes of code per slot */
#endif
#ifndef FS_SLOT_SIZE
#define FS_SLOT_SIZE 64 /* bytes of data per slot: one cache line */
#endif
#ifndef FS_TABLE_SLOTS
#define FS_TABLE_SLOTS 4096 /* in a mapped table, holes counted */
#endif
#ifndef FS_GROUP_SLOTS
#define FS_GROUP_SLOTS 256 /* each group's last trampoline is the group's stub, not a slot */
#endif
#ifndef FS_RESIDENT_SLOTS
#define FS_RESIDENT_SLOTS 256 /* in the library's own text; no holes */
#endif
#ifndef FS_TABLE_SPAN
#define FS_TABLE_SPAN 0x80000 /* a table's address is a multiple */
#endif
#ifndef FS_DESCRIPTORS
/* 1 where a function's address is that of a descriptor in data: (code, pointer to global data). A
 * trampoline is one then, and no table has code (tramp/descriptor.c). */
#define FS_DESCRIPTORS 0
#endif
#ifndef FS_PROT_LANDING
/* More protection for mapped code than R-X: none. x86's IBT, for one, knows no marked pages. */
#define FS_PROT_LANDING 0
#endif
/* Both are whole pages of any size; the data lies right behind the code. */
#define FS_TABLE_CODE (FS_TABLE_SLOTS * FS_TRAMP_SIZE)
#define FS_TABLE_DATA (FS_TABLE_SLOTS * FS_SLOT_SIZE)

#endif
