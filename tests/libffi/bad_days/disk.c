/* SPDX-License-Identifier: MIT */
/* disk.c - the library's file, or what its path leads to, is not what it was
 *
 * run.py gives each run a copy of the library in a folder of its own, which may be harmed. What
 * takes its place is int3 throughout: called, it is a SIGTRAP.
 */
#include "days.h"
#include "libffi.h"
#include <sched.h>
#include <sys/mount.h>

/* replaced N garbage|deleted: after the first N closures */
CASE(replaced)
{
    size_t n = first_crowd();
    day_replace(lib.path, argument(1));
    day_go_on(n, false);
}

/* chroot ROOT proc|no-proc: ROOT has garbage at the library's path */
CASE(chroot_with_another_file)
{
    const char *root = argument(0);
    if (geteuid() != 0)
        test_skip("chroot needs root");
    if (!strcmp(argument(1), "proc")) {
        char proc[4096];
        CHECK(snprintf(proc, sizeof proc, "%s/proc", root) < (int)sizeof proc);
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL))
            test_skip("a /proc in the chroot needs the right to mount: %s", strerror(errno));
    }
    CHECK_EQ(chroot(root), 0);
    CHECK_EQ(chdir("/"), 0);
    day_go_on(0, false);
}

/* Nothing is harmed: the path itself is the trouble. */
CASE(as_it_is)
{
    day_go_on(0, false);
}
