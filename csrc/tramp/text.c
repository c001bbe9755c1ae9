/* SPDX-License-Identifier: MIT */
/* text.c - provider: the text itself, mapped once more by mremap(MREMAP_DONTUNMAP)
 *
 * mremap(2) with DONTUNMAP (Linux 5.7; of file mappings, 5.13) moves pages to a new address and
 * leaves the old mapping, which the file then refills. No path, no descriptor, no /proc, no new
 * executable permission: a policy that forbids those has nothing to object to.
 *
 * The template is gone for a moment where it is anonymous memory, so the move, the look at what it
 * left and the way back are under fs_lock(): no other thread compares with it, and no fork() copies
 * the process, while it is away.
 *
 * DONTUNMAP takes the memory lock (mlockall) from the whole mapping that it moves a part of. So a
 * template that is locked is unlocked first, which makes it a mapping of its own, and locked again
 * afterwards; the copy is locked where its reservation is.
 *
 * Fails when: the kernel is older (EINVAL), the text is sealed (mseal: EPERM), a seccomp filter
 * forbids mremap(), or locked text could not be locked again (RLIMIT_MEMLOCK). Also when the text
 * is not backed by a file, because a remapper has copied it to anonymous huge pages: the move takes
 * the only copy, which is moved back. Also under a user-mode emulator that takes DONTUNMAP for a
 * plain move, as QEMU 7.2 does; the text is moved back there, too.
 */
#include "tramp/provider.h"
#include "base/error.h"
#include "base/lock.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif

/* An emulator has lost a source before: it would again, and other threads may be reading there.
 * Under the lock. */
static bool loses;

/* Does the system still see memory at the source? An emulator that has forgotten the source would
 * let the next move from there succeed, and the moved code could not be run. The write() asks: a
 * kernel looks at its descriptor first and answers EBADF. Once is enough, because the system does
 * not change while we run. */
static bool source_known(const char *source)
{
    static bool known;
    if (!known) /* not write(), which is a cancellation point */
        known = syscall(SYS_write, -1, source, 1) < 0 && errno != EFAULT;
    return known;
}

/* The copy goes home. DONTUNMAP here too: the reservation must not become a hole that another
 * thread's mmap() may fill before the caller unmaps it. */
static void move_back(char *moved, char *source, size_t size)
{
    if (mremap(moved, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, source) !=
        source)
        fs_die("ffi_static: the text at @ could not be moved back from @", (uintptr_t)source,
               (uintptr_t)moved);
}

/* Is the mapping that begins here locked in memory? The kernel refuses this advice, "not needed
 * soon", for what is; to the rest it does no harm. */
static bool is_locked(const char *at)
{
    return madvise((void *)(uintptr_t)at, 4096, MADV_COLD) != 0 && errno == EINVAL;
}

/* Take the lock off the template: 0, or -errno when it could not be put on again. Locking what is
 * locked changes nothing and asks the limit. */
static int unlock_template(char *source, size_t size)
{
    if (mlock(source, size) != 0 || munlock(source, size) != 0)
        return -errno;
    return 0;
}

enum outcome { MOVED, NOT_MOVED, NOT_LOCKED, LOST, ANONYMOUS };

/* Under the lock. MOVED: the copy is at `code`. Else *error says why not, and the template is where
 * it was. After a move both ranges are mapped alike, so they can be compared. */
static enum outcome move_template(char *source, size_t size, char *code, int *error)
{
    bool locked = is_locked(source), lock_copy = is_locked(code);
    *error = -EFAULT;
    if (loses)
        return LOST;
    if (locked && (*error = unlock_template(source, size)))
        return NOT_LOCKED;
    enum outcome outcome = MOVED;
    char *moved =
        mremap(source, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, code);
    if (moved == MAP_FAILED) {
        *error = -errno;
        outcome = NOT_MOVED;
    } else if (!source_known(source) || memcmp(source, moved, size) != 0) {
        *error = -EFAULT;
        loses = !source_known(source);
        outcome = loses ? LOST : ANONYMOUS;
        move_back(moved, source, size);
    }
    if (locked && mlock(source, size) != 0 && outcome == MOVED) {
        *error = -errno;
        outcome = NOT_LOCKED;
    }
    if (outcome == MOVED && lock_copy && mlock(moved, size) != 0) {
        *error = -errno;
        outcome = NOT_LOCKED;
    }
    return outcome;
}

static const char *what_helps(int error)
{
    switch (-error) {
    case EINVAL:
        return "; needs Linux 5.13 or newer";
    case EFAULT:
        return "; the text is mapped in pieces";
    case EPERM:
        return "; the text is sealed or a seccomp filter forbids it";
    case ENOMEM:
        return "; at a limit (RLIMIT_AS, vm.max_map_count)";
    default:
        return "";
    }
}

static int map_text(const struct fs_template *of, char *code, struct fs_why *why)
{
    char answer[96];
    int error = 0;
    char *source = (char *)(uintptr_t)of->code;
    fs_template_touch(of);
    fs_lock();
    enum outcome outcome = move_template(source, of->code_size, code, &error);
    fs_unlock();
    switch (outcome) {
    case MOVED:
        return 0;
    case NOT_MOVED:
        return fs_refuse(why, error, "mremap(MREMAP_DONTUNMAP) of the %s's text: %s%s", of->whose,
                         fs_errno_text(error, answer, sizeof answer), what_helps(error));
    case NOT_LOCKED:
        return fs_refuse(why, error,
                         "the %s's text is locked in memory, and mlock of it, or of a copy: %s; "
                         "raise RLIMIT_MEMLOCK",
                         of->whose, fs_errno_text(error, answer, sizeof answer));
    case LOST:
        return fs_refuse(why, error,
                         "mremap(MREMAP_DONTUNMAP) of the %s's text lost the original (an emulator "
                         "that does not know the flag?)",
                         of->whose);
    case ANONYMOUS:
        break;
    }
    return fs_refuse(why, error,
                     "the %s's text is anonymous memory (written to, or moved there by a huge page "
                     "remapper?), of which there is no second copy to map",
                     of->whose);
}

const struct fs_provider fs_provider_text = {
    .name = "text",
    .about = "the library's own text mapped again by mremap(MREMAP_DONTUNMAP), Linux 5.13: no "
             "path, no descriptor, no /proc",
    .map = map_text,
};
