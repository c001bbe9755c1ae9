/* SPDX-License-Identifier: MIT */
/* glibc217.h - what glibc 2.17 lacks and the library needs: included before all in manylinux2014
 * wheels
 *
 * memfd_create() came with glibc 2.27. The system call is older, and where a kernel does not know
 * it either, the provider `memfd` says so.
 */
#ifndef FS_PY_GLIBC217_H
#define FS_PY_GLIBC217_H

#ifndef __ASSEMBLER__

/* Headers of the kernel only: those of the C library ask which macros a file has defined. */
#include <asm/unistd.h>
#include <linux/memfd.h>

long syscall(long number, ...);

static inline int memfd_create(const char *name, unsigned flags)
{
    return (int)syscall(__NR_memfd_create, name, flags);
}

#endif
#endif
