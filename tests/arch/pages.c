/* SPDX-License-Identifier: MIT */
/* pages.c - a kernel whose pages are larger than this one's, as far as mappings can tell
 *
 * Linked with --wrap: with FS_TEST_PAGE=65536 (or 16384) every mmap, munmap, mremap and mprotect
 * of the library must be about whole pages of that size, at multiples of it, or the process ends;
 * and an address that the kernel chooses is such a multiple. What the library does with 64 KiB
 * pages is thereby run, though no machine here has them.
 *
 * mmap64 is what mmap is called where the library asks for 64-bit offsets in files (base.h); where
 * all are that, the two are one, so both names may lead to the one wrapper.
 */
#include "base/base.h"
#include "pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

unsigned long pages_checked;

void *__real_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_mprotect(void *at, size_t size, int prot);
void *__real_mremap(void *old, size_t old_size, size_t new_size, int flags, ...);
void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
    __attribute__((alias("__wrap_mmap64")));
int __wrap_munmap(void *at, size_t size);
int __wrap_mprotect(void *at, size_t size, int prot);
void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags, ...);

static size_t page(void)
{
    const char *text = getenv("FS_TEST_PAGE");
    return text ? strtoul(text, NULL, 0) : 4096;
}

static void whole(const char *what, uintptr_t value)
{
    pages_checked++;
    if (value % page() == 0)
        return;
    fprintf(stderr, "%s 0x%zx is not a multiple of the page size 0x%zx\n", what, (size_t)value,
            page());
    exit(3);
}

void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    whole("mmap: address", (uintptr_t)at);
    whole("mmap: size", size);
    whole("mmap: offset", (uintptr_t)offset);
    if (at) {
        char *got = __real_mmap64(at, size, prot, flags, fd, offset);
        if (got == at || got == MAP_FAILED)
            return got;
        __real_munmap(got, size); /* taken as a hint: such a kernel's choice would be a multiple */
    }
    char *p = __real_mmap64(NULL, size + page(), prot, flags, fd, offset);
    if (p == MAP_FAILED)
        return p;
    size_t skip = -(uintptr_t)p % page();
    if (skip)
        __real_munmap(p, skip);
    if (page() > skip)
        __real_munmap(p + skip + size, page() - skip);
    return p + skip;
}

int __wrap_munmap(void *at, size_t size)
{
    whole("munmap: address", (uintptr_t)at);
    whole("munmap: size", size);
    return __real_munmap(at, size);
}

int __wrap_mprotect(void *at, size_t size, int prot)
{
    whole("mprotect: address", (uintptr_t)at);
    whole("mprotect: size", size);
    return __real_mprotect(at, size, prot);
}

void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    void *to = va_arg(args, void *);
    va_end(args);
    whole("mremap: address", (uintptr_t)old);
    whole("mremap: size", old_size | new_size);
    whole("mremap: target", (uintptr_t)to);
    return __real_mremap(old, old_size, new_size, flags, to);
}
