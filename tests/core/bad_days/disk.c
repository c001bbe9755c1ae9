/* SPDX-License-Identifier: MIT */
/* disk.c - the library's file is not what it was when it was loaded
 *
 * The program runs with LD_LIBRARY_PATH on a copy of the library in a folder of its own, finds
 * that copy by dladdr(), harms it and goes on allocating. $FS_TEST_REFUSES says whether the
 * provider under test has to refuse then. Whatever it does serve must answer right.
 *
 *     disk harm_before_first|harm_in_between
 *         deleted|garbage|shifted|copied|directory|fifo|socket|device|linked_fifo
 *
 * open() of a FIFO waits until somebody writes to it: alarm() ends a case that opens one.
 */
#include "days.h"
#include "fs_test.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *library(void)
{
    Dl_info info;
    CHECK(dladdr((void *)(uintptr_t)ffi_static_alloc, &info) != 0);
    CHECK(strstr(info.dli_fname, "libffi_static.so") != NULL);
    return info.dli_fname;
}

/* The name that the kernel gives a file that has none any more. */
static const char *name_when_deleted(const char *path)
{
    static char name[4096];
    CHECK(snprintf(name, sizeof name, "%s (deleted)", path) < (int)sizeof name);
    return name;
}

/* What is no file at all, under both names: neither waited for nor, if a device, touched. */
static void replace_by_node(const char *path, mode_t kind)
{
    CHECK_EQ(unlink(path), 0);
    if (mknod(path, kind | 0666, makedev(1, 5)) || /* /dev/zero */
        mknod(name_when_deleted(path), kind | 0666, makedev(1, 5)))
        test_skip("mknod: %s", strerror(errno));
}

static void harm(void)
{
    CHECK_EQ(test_argc, 1);
    const char *path = library(), *mode = test_argv[0];
    alarm(60);
    if (!strcmp(mode, "fifo")) {
        replace_by_node(path, S_IFIFO);
    } else if (!strcmp(mode, "socket")) {
        replace_by_node(path, S_IFSOCK);
    } else if (!strcmp(mode, "device")) {
        replace_by_node(path, S_IFCHR);
    } else if (!strcmp(mode, "linked_fifo")) {
        char fifo[4096];
        CHECK(snprintf(fifo, sizeof fifo, "%s.fifo", path) < (int)sizeof fifo);
        CHECK_EQ(mkfifo(fifo, 0666), 0);
        CHECK_EQ(unlink(path), 0);
        CHECK_EQ(symlink(fifo, path) | symlink(fifo, name_when_deleted(path)), 0);
    } else if (!strcmp(mode, "directory")) {
        CHECK_EQ(unlink(path), 0);
        CHECK_EQ(mkdir(path, 0755), 0);
    } else {
        day_replace(path, mode);
    }
}

static void go_on(size_t have)
{
    size_t before = have;
    have = day_go_on(have, false);
    int error = errno;
    CHECK_EQ(api.check(), 0);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_EQ(error, ENOSYS);
        CHECK_HAS(api.error(), getenv("FFI_STATIC_PROVIDER"));
    } else {
        CHECK_EQ(have, MANY);
    }
    printf("%zu closures before, %zu in all\n", before, have);
    test_audit();
    test_free_many(many, have);
}

CASE(harm_before_first)
{
    harm();
    go_on(0);
}

CASE(harm_in_between)
{
    size_t have = test_make_many(many, 999);
    CHECK(have == 999 || !strcmp(getenv("FFI_STATIC_PROVIDER"), "resident"));
    harm();
    go_on(have);
}

/* Nothing is harmed; the path itself is the trouble (spaces, newlines, " (deleted)"). */
CASE(go_on_as_it_is)
{
    if (test_argc)
        CHECK_HAS(library(), test_argv[0]);
    go_on(0);
}

/* As where a system moves /lib to /usr/lib: the old name leads to the same file. */
CASE(moved_and_linked)
{
    char other[4096];
    size_t have = test_make_many(many, 100);
    CHECK(snprintf(other, sizeof other, "%s.moved", library()) < (int)sizeof other);
    CHECK_EQ(rename(library(), other), 0);
    CHECK_EQ(symlink(other, library()), 0);
    go_on(have);
}
