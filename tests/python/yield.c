/* SPDX-License-Identifier: MIT */
/* yield.c - LD_PRELOAD of CPython 3.13t: a processor that its locks do not give away
 *
 * A thread that finds one of 3.13t's locks taken calls sched_yield() up to 40 times before it
 * waits. It does so even where it holds the lock itself, in an outer critical section, as at each
 * close() of a buffered file, and so at each import. On a busy machine each of these calls costs a
 * turn of all other programs, and an import takes minutes. Here they return at once. Calls from
 * anywhere but the interpreter's own code, such as this package's, give the processor away.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static uintptr_t start, size; /* of the program's code */

__attribute__((constructor)) static void find(void)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    size_t n = getauxval(AT_PHNUM);
    uintptr_t base = 0;
    for (size_t i = 0; i < n; i++)
        if (headers[i].p_type == PT_PHDR)
            base = (uintptr_t)headers - headers[i].p_vaddr;
    for (size_t i = 0; i < n; i++)
        if (headers[i].p_type == PT_LOAD && headers[i].p_flags & PF_X) {
            start = base + headers[i].p_vaddr;
            size = headers[i].p_memsz;
        }
}

int sched_yield(void)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    return caller - start < size ? 0 : (int)syscall(SYS_sched_yield);
}
