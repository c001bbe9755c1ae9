/* SPDX-License-Identifier: MIT */
/* kept.c - memory that is written once and read-only from then on, and what is sealed for ever
 *
 * Fails when: the system has no memory, or no mapping, for one more; mseal(2) is not there.
 */
#include "tramp/seal.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

struct kept {
    size_t bytes;
    max_align_t what[];
};

static struct kept *head_of(void *kept)
{
    return (struct kept *)(void *)((char *)kept - offsetof(struct kept, what));
}

void *fs_seal_keep(const void *bytes, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (sizeof(struct kept) + size + page - 1) & ~(page - 1);
    struct kept *k = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (k == MAP_FAILED)
        return NULL;
    k->bytes = whole;
    memcpy(k->what, bytes, size);
    if (mprotect(k, whole, PROT_READ) == 0)
        return k->what;
    int error = errno;
    munmap(k, whole);
    errno = error;
    return NULL;
}

void fs_seal_drop(void *kept)
{
    struct kept *k = head_of(kept);
    munmap(k, k->bytes);
}

int fs_seal_map(void *at, size_t size, struct fs_why *why)
{
    char answer[96];
    if (syscall(SYS_mseal, at, size, 0UL) == 0)
        return 0;
    int error = -errno;
    return fs_refuse(why, error, "mseal: %s%s", fs_errno_text(error, answer, sizeof answer),
                     error == -ENOMEM ? "; at vm.max_map_count?"
                                      : "; needs Linux 6.10 and 64 bits");
}

int fs_seal_end_kept(void *kept, struct fs_why *why)
{
    struct kept *k = head_of(kept);
    return fs_seal_map(k, k->bytes, why);
}
