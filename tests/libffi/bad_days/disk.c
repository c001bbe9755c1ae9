/* SPDX-License-Identifier: MIT */
/* disk.c - the library's file, or what its path leads to, is not what it was
 *
 * run.py gives each run a copy of the library in a folder of its own, which may be harmed. What
 * takes its place is int3 throughout: called, it is a SIGTRAP.
 */
#include "days.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void replace(const char *how)
{
    char other[4096];
    struct stat st;
    if (!strcmp(how, "deleted")) {
        CHECK_EQ(unlink(lib_path), 0);
        return;
    }
    CHECK(snprintf(other, sizeof other, "%s.new", lib_path) < (int)sizeof other);
    CHECK_EQ(stat(lib_path, &st), 0);
    int fd = open(other, O_RDWR | O_CREAT | O_TRUNC, 0755);
    CHECK(fd >= 0);
    char *bytes = malloc((size_t)st.st_size);
    CHECK(bytes != NULL);
    memset(bytes, 0xcc, (size_t)st.st_size);
    CHECK_EQ(write(fd, bytes, (size_t)st.st_size), st.st_size);
    free(bytes);
    close(fd);
    CHECK_EQ(rename(other, lib_path), 0);
}

/* replaced N garbage|deleted: after the first N closures */
DAY(replaced)
{
    size_t n = (size_t)atol(day_argument(0));
    CHECK_EQ(crowd_make(0, n), n);
    replace(day_argument(1));
    crowd_go_on(n);
}

/* chroot ROOT proc|no-proc: ROOT has garbage at the library's path */
DAY(chroot_with_another_file)
{
    const char *root = day_argument(0);
    if (geteuid() != 0)
        test_skip("chroot needs root");
    if (!strcmp(day_argument(1), "proc")) {
        char proc[4096];
        CHECK(snprintf(proc, sizeof proc, "%s/proc", root) < (int)sizeof proc);
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL))
            test_skip("a /proc in the chroot needs the right to mount: %s", strerror(errno));
    }
    CHECK_EQ(chroot(root), 0);
    CHECK_EQ(chdir("/"), 0);
    crowd_go_on(0);
}

/* Nothing is harmed: the path itself is the trouble. */
DAY(as_it_is)
{
    crowd_go_on(0);
}
