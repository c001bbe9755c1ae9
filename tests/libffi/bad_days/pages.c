/* SPDX-License-Identifier: MIT */
/* pages.c - a kernel with 64 KiB pages, as the library sees one
 *
 * No such kernel runs on x86-64. This program loads the library and exports the functions
 * below, so the library calls them. While `simulated` is set, they answer as such a kernel: the
 * page size is 64 KiB, and an address or an offset that is no multiple of it is refused. Lengths
 * are rounded up to whole pages, mappings start at one. What the loader mapped before stays as it
 * is: the library's own text lies at a multiple of 4 KiB here, not of 64 as there.
 */
#include "days.h"
#include "libffi.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 65536ul
#define UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
static bool simulated;
static size_t refused;

static void *at(long result)
{
    return (void *)result;
}

static bool odd(unsigned long n)
{
    bool is = simulated && n % PAGE != 0;
    refused += is;
    if (is)
        errno = EINVAL;
    return is;
}

#define EXPORTED __attribute__((visibility("default")))
EXPORTED void *mmap(void *want, size_t length, int prot, int flags, int fd, off_t offset)
{
    bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    if (odd((unsigned long)offset) || (fixed && odd((unsigned long)want)))
        return MAP_FAILED;
    if (!simulated || fixed)
        return at(
            syscall(SYS_mmap, want, simulated ? UP(length) : length, prot, flags, fd, offset));
    /* Room for whole pages first, then what was asked for inside it. */
    length = UP(length);
    char *room = at(syscall(SYS_mmap, NULL, length + PAGE, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (room == MAP_FAILED)
        return room;
    char *start = (char *)UP((unsigned long)room);
    void *got = at(syscall(SYS_mmap, start, length, prot, flags | MAP_FIXED, fd, offset));
    int error = errno;
    if (start > room)
        syscall(SYS_munmap, room, start - room);
    if (got == MAP_FAILED)
        syscall(SYS_munmap, start, length);
    if (room + PAGE > start)
        syscall(SYS_munmap, start + length, room + PAGE - start);
    errno = error;
    return got;
}
EXPORTED void *mmap64(void *want, size_t length, int prot, int flags, int fd, off_t offset)
{
    return mmap(want, length, prot, flags, fd, offset);
}
EXPORTED int munmap(void *p, size_t length)
{
    if (odd((unsigned long)p))
        return -1;
    return (int)syscall(SYS_munmap, p, simulated ? UP(length) : length);
}
EXPORTED int mprotect(void *p, size_t length, int prot)
{
    if (odd((unsigned long)p))
        return -1;
    return (int)syscall(SYS_mprotect, p, simulated ? UP(length) : length, prot);
}
EXPORTED void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
    va_end(list);
    if (odd((unsigned long)old) || odd((unsigned long)to))
        return MAP_FAILED;
    return at(syscall(SYS_mremap, old, old_length, length, flags, to));
}
EXPORTED int getpagesize(void)
{
    return simulated ? (int)PAGE : 4096;
}
EXPORTED long sysconf(int name)
{
    static long (*real)(int);
    if (simulated && name == _SC_PAGESIZE)
        return PAGE;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}
EXPORTED unsigned long getauxval(unsigned long type)
{
    static unsigned long (*real)(unsigned long);
    if (simulated && type == AT_PAGESZ)
        return PAGE;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getauxval");
    return real(type);
}

/* pages N: from the N-th closure on */
CASE(pages_of_64k)
{
    size_t n = first_crowd();
    simulated = true;
    CHECK(sysconf(_SC_PAGESIZE) == PAGE && getpagesize() == PAGE);
    day_go_on(n, false);
    for (size_t i = n; i < MANY && many[i].closure; i++)
        test_free(&many[i]);
    simulated = false;
    if (getenv("DAYS_VERBOSE"))
        fprintf(stderr, "%zu calls refused for their alignment\n", refused);
}
