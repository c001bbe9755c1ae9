/* SPDX-License-Identifier: MIT */
/* unwind.c - one CIE and one FDE per mapped table, built in memory (DWARF 4, section 6.4)
 *
 * GCC's __register_frame takes a whole .eh_frame section, LLVM's one FDE; LLVM is recognised by a
 * function that only it has. All are weak: the library does not bring an unwinder, it uses one.
 */
#include "tramp/unwind.h"
#include "arch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void __register_frame(void *) __attribute__((weak));
extern void __deregister_frame(void *) __attribute__((weak));
extern void __unw_add_dynamic_fde(uintptr_t) __attribute__((weak));

#define WORD ((unsigned char)sizeof(void *))

#define FS_DWARF_BYTES 23 /* the longest, and what makes the CIE whole words */

struct section {
    struct {
        uint32_t length, id;
        unsigned char version, augmentation, code_align, data_align, ra;
        unsigned char program[FS_DWARF_BYTES]; /* FS_DWARF_PROGRAM, then DW_CFA_nop */
    } cie;
    struct {
        uint32_t length, back; /* from this field to the CIE */
        uintptr_t begin, size;
    } fde __attribute__((packed, aligned(4)));
    uint32_t end;
};

/* Asked for, possible, and not in a forked child, where the unwinder's lock may be held by a
 * thread that no longer exists. */
static bool wanted(void)
{
    static pid_t asked_by; /* atomic; all who ask first find the same */
    if (!&__register_frame || !&__deregister_frame)
        return false;
    pid_t by = __atomic_load_n(&asked_by, __ATOMIC_RELAXED);
    if (!by) {
        const char *text = secure_getenv("FFI_STATIC_UNWIND");
        by = text && strcmp(text, "1") == 0 ? getpid() : -1;
        __atomic_store_n(&asked_by, by, __ATOMIC_RELAXED);
    }
    return by == getpid();
}

static bool is_llvm(void)
{
    return &__unw_add_dynamic_fde != NULL;
}

void *fs_unwind_add(const void *code, size_t size)
{
    if (!wanted())
        return NULL;
    struct section *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->cie.length = sizeof s->cie - sizeof s->cie.length;
    s->cie.version = 1;
    s->cie.code_align = 1;
    s->cie.data_align = 0x80 - WORD; /* -WORD as a one-byte SLEB128 */
    s->cie.ra = FS_DWARF_RA;
    const unsigned char program[sizeof s->cie.program] = FS_DWARF_PROGRAM;
    memcpy(s->cie.program, program, sizeof program);
    s->fde.length = sizeof s->fde - sizeof s->fde.length;
    s->fde.back = (uint32_t)((char *)&s->fde.back - (char *)&s->cie);
    s->fde.begin = (uintptr_t)code;
    s->fde.size = size;
    __register_frame(is_llvm() ? (void *)&s->fde : (void *)s);
    return s;
}

void fs_unwind_remove(void *description)
{
    struct section *s = description;
    if (!s || !wanted()) /* in a child: the description stays, of memory that may be gone */
        return;
    __deregister_frame(is_llvm() ? (void *)&s->fde : (void *)s);
    free(s);
}
