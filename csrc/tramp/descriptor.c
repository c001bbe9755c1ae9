/* SPDX-License-Identifier: MIT */
/* descriptor.c - provider: function descriptors, where a function's address is that of one
 *
 * On such an architecture (FS_DESCRIPTORS) C calls through a pair of words: where the code is, and
 * what the pointer to global data is to be. A pair of (fs_enter_slot, slot) is a trampoline,
 * without any code. A table's are written once, here, and made read-only. None is ever executable,
 * so no policy about executable memory is in the way, and the providers that map code are not
 * needed.
 *
 * Fails when: mprotect refuses, as it does when RLIMIT_DATA is reached. Costs FS_TABLE_CODE bytes
 * of memory a table.
 */
#include "tramp/provider.h"
#include "tramp/table.h"
#include "base/error.h"

#include <sys/mman.h>

#if FS_DESCRIPTORS
struct descriptor {
    void *code;
    struct fs_slot *slot;
    void *unused[FS_TRAMP_SIZE / sizeof(void *) - 2];
};
_Static_assert(sizeof(struct descriptor) == FS_TRAMP_SIZE, "a trampoline");

/* What slot i's of the table at `code` has to be. Where fs_enter_slot's code is, the resident
 * table's descriptors say; fs_enter_slot itself is the address of its descriptor, too. */
static struct descriptor wanted(const char *code, unsigned i)
{
    void *const enter = *(void *const *)(const void *)fs_resident_code;
    struct fs_slot *slots = (struct fs_slot *)(uintptr_t)(code + FS_TABLE_CODE);
    return (struct descriptor){.code = enter, .slot = slots + i};
}

static int map_descriptors(const struct fs_template *of, char *code, struct fs_why *why)
{
    (void)of; /* only tables come here */
    struct descriptor *d = (struct descriptor *)(void *)code;
    char answer[96];
    if (mprotect(code, FS_TABLE_CODE, PROT_READ | PROT_WRITE))
        return fs_refuse(why, -errno, "making %u KiB for descriptors writable: %s",
                         FS_TABLE_CODE / 1024, fs_errno_text(errno, answer, sizeof answer));
    for (unsigned i = 0; i < FS_TABLE_SLOTS; i++)
        d[i] = wanted(code, i);
    if (mprotect(code, FS_TABLE_CODE, PROT_READ))
        return fs_refuse(why, -errno, "making %u KiB of descriptors read-only: %s",
                         FS_TABLE_CODE / 1024, fs_errno_text(errno, answer, sizeof answer));
    return 0;
}

static bool is_intact(const char *code)
{
    const struct descriptor *d = (const struct descriptor *)(const void *)code;
    for (unsigned i = 0; i < FS_TABLE_SLOTS; i++) {
        const struct descriptor w = wanted(code, i);
        if (d[i].code != w.code || d[i].slot != w.slot)
            return false;
    }
    return true;
}

const struct fs_provider fs_provider_descriptor = {
    .name = "descriptor",
    .about = "read-only function descriptors: pairs of code and data, no code of their own",
    .own_only = "function descriptors are made of addresses, and are copies of no code",
    .map = map_descriptors,
    .is_intact = is_intact,
};
#endif
