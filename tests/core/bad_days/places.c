/* SPDX-License-Identifier: MIT */
/* places.c - the root of the file system, /proc: not where the library was loaded
 *
 * Needs root, or a user namespace where the system allows one. Run with LD_LIBRARY_PATH as
 * disk.c is; the first argument is an empty folder, to be used as the new root.
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static void own_mounts(void)
{
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
        test_skip("unshare(CLONE_NEWNS): %s: needs root or user namespaces", strerror(errno));
    CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        CHECK(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

/* <root>/<path of the library>, in folders that are there. */
static const char *same_path(const char *root, char *real)
{
    static char path[8192];
    Dl_info info;
    CHECK(dladdr((void *)(uintptr_t)ffi_static_alloc, &info) != 0);
    CHECK(realpath(info.dli_fname, real) != NULL);
    CHECK(snprintf(path, sizeof path, "%s%s", root, real) < (int)sizeof path);
    make_folders(path);
    return path;
}

/* There, its own bytes, or int3 throughout. */
static void another_file_at_the_same_path(const char *root, bool garbage)
{
    static char bytes[1 << 20];
    char real[4096];
    const char *path = same_path(root, real);
    int from = open(real, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(from, bytes, sizeof bytes);
    CHECK(size > 0 && size < (ssize_t)sizeof bytes);
    if (garbage)
        memset(bytes, 0xcc, (size_t)size);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, (size_t)size), size);
    close(fd);
    close(from);
}

static void go(void)
{
    size_t have = test_make_many(many, MANY);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_EQ(errno, ENOSYS);
        CHECK_HAS(api.error(), getenv("FFI_STATIC_PROVIDER"));
        printf("%s\n", api.error());
    } else {
        CHECK_EQ(have, MANY);
    }
    CHECK_EQ(api.check(), 0);
    test_audit();
    test_free_many(many, have);
}

CASE(chroot_with_another_file_at_the_path)
{
    CHECK_EQ(test_argc, 1);
    another_file_at_the_same_path(test_argv[0], true);
    if (chroot(test_argv[0]))
        test_skip("chroot: %s: needs root", strerror(errno));
    CHECK_EQ(chdir("/"), 0);
    CHECK(access("/proc/self/maps", F_OK) != 0);
    go();
}

/* /proc/self/maps is there and names a path, under which lies something else. */
static void chroot_with_proc(void)
{
    char proc[4096];
    own_mounts();
    CHECK(snprintf(proc, sizeof proc, "%s/proc", test_argv[0]) < (int)sizeof proc);
    CHECK(mkdir(proc, 0755) == 0 || errno == EEXIST);
    CHECK_EQ(mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL), 0);
    if (chroot(test_argv[0]))
        test_skip("chroot: %s: needs root", strerror(errno));
    CHECK_EQ(chdir("/"), 0);
    CHECK(access("/proc/self/maps", R_OK) == 0);
    alarm(60);
    go();
}

CASE(chroot_with_another_file_at_the_path_and_proc)
{
    CHECK_EQ(test_argc, 1);
    another_file_at_the_same_path(test_argv[0], true);
    chroot_with_proc();
}

/* The same bytes are not the same file: the owners of that root may write to the copy. */
CASE(chroot_with_a_copy_at_the_path_and_proc)
{
    CHECK_EQ(test_argc, 1);
    another_file_at_the_same_path(test_argv[0], false);
    chroot_with_proc();
}

/* Who opens a FIFO waits until somebody writes to it. */
CASE(chroot_with_a_fifo_at_the_path_and_proc)
{
    char real[4096];
    CHECK_EQ(test_argc, 1);
    CHECK_EQ(mkfifo(same_path(test_argv[0], real), 0666), 0);
    chroot_with_proc();
}

CASE(proc_is_absent)
{
    own_mounts();
    CHECK_EQ(mount("none", "/proc", "tmpfs", 0, NULL), 0);
    CHECK(access("/proc/self/maps", F_OK) != 0);
    go();
}

CASE(proc_is_absent_after_the_999th)
{
    size_t have = test_make_many(many, 999);
    own_mounts();
    CHECK_EQ(mount("none", "/proc", "tmpfs", 0, NULL), 0);
    test_free_many(many, have);
    go();
}

/* /dev/trampfd is there, and something else: a FIFO would keep who opens it waiting. */
static void device_is(mode_t kind)
{
    own_mounts();
    alarm(60);
    CHECK_EQ(mount("none", "/dev", "tmpfs", 0, NULL), 0);
    if (mknod("/dev/trampfd", kind | 0666, makedev(1, 5))) /* or /dev/zero */
        test_skip("mknod: %s: needs root", strerror(errno));
    CHECK(access("/dev/trampfd", R_OK) == 0);
    go();
}

CASE(device_is_a_fifo)
{
    device_is(S_IFIFO);
}

CASE(device_is_another)
{
    device_is(S_IFCHR);
}

/* The kernel's list of mappings is not the kernel's. */
CASE(proc_is_a_folder_of_fifos)
{
    own_mounts();
    alarm(60);
    CHECK_EQ(mount("none", "/proc", "tmpfs", 0, NULL), 0);
    CHECK_EQ(mkdir("/proc/self", 0755), 0);
    CHECK_EQ(mkfifo("/proc/self/maps", 0666), 0);
    go();
}

/* vm.memfd_noexec=2 refuses memfds that could be executed; it belongs to the pid namespace. */
CASE(memfds_may_not_be_executed)
{
    if (unshare(CLONE_NEWPID))
        test_skip("unshare(CLONE_NEWPID): %s: needs root", strerror(errno));
    pid_t child = fork();
    if (child) {
        int status = -1;
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            _exit(77);
        CHECK_EQ(status, 0);
        return;
    }
    own_mounts();
    CHECK_EQ(mount("none", "/proc", "proc", 0, NULL), 0);
    test_maps_reopen();
    int fd = open("/proc/sys/vm/memfd_noexec", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "2", 1) != 1)
        test_skip("vm.memfd_noexec=2: %s: needs Linux 6.3 and root", strerror(errno));
    close(fd);
    go();
    fflush(stdout);
    _exit(0);
}
