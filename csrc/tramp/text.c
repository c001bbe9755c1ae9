/* SPDX-License-Identifier: MIT */
/* text.c - provider: our own text, mapped once more by mremap(MREMAP_DONTUNMAP)
 *
 * mremap(2) with DONTUNMAP (Linux 5.7; of file mappings, 5.13) moves pages to a new address and
 * leaves the old mapping, which the file then refills. No path, no descriptor, no /proc, no new
 * executable permission: a policy that forbids those has nothing to object to.
 *
 * Fails when: the kernel is older (EINVAL), the text is sealed (mseal: EPERM), a seccomp filter
 * says so. Text that is not backed by a file (copied to anonymous huge pages by a remapper)
 * cannot be refilled: the move takes the only copy. Then it is moved back, and refused. So it is
 * under a user-mode emulator that takes DONTUNMAP for a plain move (QEMU 7.2 does).
 */
#include "tramp/provider.h"
#include "tramp/table.h"
#include "base/error.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Does the system still see memory at the source? An emulator that has forgotten it would let the
 * next move from there succeed, and the code that was moved could not be run. A kernel looks at
 * the descriptor first. Asked once: what runs us does not change. */
static bool source_known(void)
{
    static bool known;
    if (!known)
        known = write(-1, fs_table_code, 1) < 0 && errno != EFAULT;
    return known;
}

/* Compare without trusting the source to be readable text: only called after mremap succeeded, and
 * the system still knows the source, so both ranges are mapped readable and executable. */
static bool source_intact(const char *moved)
{
    return memcmp(fs_table_code, moved, FS_TABLE_CODE) == 0;
}

/* The copy goes home. DONTUNMAP here too: the reservation must not become a hole that another
 * thread's mmap() may fill before the caller unmaps it. */
static void move_back(char *moved, char *source)
{
    if (mremap(moved, FS_TABLE_CODE, FS_TABLE_CODE,
               MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, source) != source)
        fs_die("ffi_static: the library's text at @ could not be moved back from @",
               (uintptr_t)source, (uintptr_t)moved);
}

static int map_text(char *code, struct fs_why *why)
{
    char *source = (char *)(uintptr_t)fs_table_code;
    char answer[96];
    char *moved = mremap(source, FS_TABLE_CODE, FS_TABLE_CODE,
                         MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, code);
    if (moved == MAP_FAILED)
        return fs_refuse(why, -errno, "mremap(MREMAP_DONTUNMAP) of the library's text: %s%s",
                         fs_errno_text(errno, answer, sizeof answer),
                         errno == EINVAL   ? "; needs Linux 5.13 or newer"
                         : errno == EPERM  ? "; the text is sealed or a seccomp filter forbids it"
                         : errno == ENOMEM ? "; at a limit (RLIMIT_AS, vm.max_map_count)"
                                           : "");
    bool known = source_known();
    if (known && source_intact(moved))
        return 0;
    move_back(moved, source);
    if (!known)
        return fs_refuse(why, -EFAULT,
                         "mremap(MREMAP_DONTUNMAP) of the library's text lost the original (an "
                         "emulator that does not know the flag?)");
    return fs_refuse(why, -EFAULT,
                     "the library's text is anonymous memory (moved there by a huge page "
                     "remapper?), of which there is no second copy to map");
}

const struct fs_provider fs_provider_text = {
    .name = "text",
    .about = "the library's own text mapped again by mremap(MREMAP_DONTUNMAP), Linux 5.13: no "
             "path, no descriptor, no /proc",
    .map = map_text,
};
