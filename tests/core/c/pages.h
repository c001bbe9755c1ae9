/* SPDX-License-Identifier: MIT */
/* pages.h - templates for the tests of stamps, and what calls their copies
 *
 * A template is PAGE_STUBS trampolines. Trampoline i is a function without arguments that returns
 * the first word of its own 64 bytes of data. So what a call returns tells which copy, and which
 * trampoline of it, ran. page.h has its instructions, of at most 64 bytes, for each architecture.
 */
#ifndef PAGES_H
#define PAGES_H

#include "fs_test.h"
#include "page.h"

#ifndef PAGE_BEGIN
#define PAGE_BEGIN
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
/* QEMU's user mode hands on this machine's /proc/self/pagemap, whose words are little-endian. This
 * takes the place of libc's pread(): it turns them round, and they say what a kernel of the
 * program's own architecture would. */
#include <byteswap.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t pread(int fd, void *to, size_t size, off_t at)
{
    char name[32], path[64] = "";
    ssize_t got = syscall(SYS_pread64, fd, to, size, at);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (!test_emulated() || readlink(name, path, sizeof path - 1) < 0 || !strstr(path, "/pagemap"))
        return got;
    for (uint64_t *word = to; got > 0 && word < (uint64_t *)to + got / 8; word++)
        *word = bswap_64(*word);
    return got;
}
#endif

#define PAGE_STUBS 1024
#define PAGE_STUB_SIZE 64
#define PAGE_SIZE_ (PAGE_STUBS * PAGE_STUB_SIZE) /* 64 KiB: whole pages everywhere */

/* A template `name` whose data is `at` bytes (a number) from its code. */
#define PAGE_OF(name, at)                                                                          \
    extern const char name[];                                                                      \
    __asm__(".section .text." #name ",\"ax\",%progbits\n" PAGE_BEGIN " .balign 65536\n"            \
            ".globl " #name "\n .hidden " #name "\n" #name ":\n .L" #name ":\n"                    \
            ".set page_i, 0\n .rept 1024\n .balign 64\n" PAGE_STUB(                                \
                "(.L" #name " + (" #at ") + 64 * page_i)") "\n .set page_i, page_i + 1\n"          \
                                                           ".endr\n .balign 65536\n .text\n")

static inline char *page_data(const void *code, ptrdiff_t at, unsigned stub)
{
    return (char *)(uintptr_t)code + at + (size_t)stub * PAGE_STUB_SIZE;
}

static inline uintptr_t page_call(const void *code, unsigned stub)
{
    const char *address = (const char *)code + (size_t)stub * PAGE_STUB_SIZE;
    uintptr_t (*function)(void);
    *(const void **)&function = address;
    return function();
}

/* Give each trampoline of a copy a number of its own, from `first` on. */
static inline void page_fill(const void *code, ptrdiff_t at, uintptr_t first)
{
    for (unsigned i = 0; i < PAGE_STUBS; i++)
        *(uintptr_t *)(void *)page_data(code, at, i) = first + i;
}

static inline void page_right(const void *code, uintptr_t first)
{
    for (unsigned i = 0; i < PAGE_STUBS; i++)
        CHECK_EQ(page_call(code, i), first + i);
}

#endif
