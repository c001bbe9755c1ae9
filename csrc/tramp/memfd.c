/* SPDX-License-Identifier: MIT */
/* memfd.c - provider: a copy of the template in a sealed memory file
 *
 * The copy is written with write(2), never through a mapping, then sealed against writing,
 * growing, shrinking and further sealing, and only then mapped R-X. No writable mapping of it
 * ever exists and none can be made. The descriptor is closed at once.
 *
 * Fails when: memfd_create is refused (seccomp, descriptors), a policy forbids executing from
 * memory files, or RLIMIT_FSIZE, which holds for memory files as well, is smaller than a copy;
 * writing past it would end the process by SIGXFSZ. Costs the code's size in memory for each copy,
 * where the others share the file's.
 */
#include "tramp/provider.h"
#include "base/error.h"
#include "base/lock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* MFD_NOEXEC_SEAL (Linux 6.3) is about execve(), which nobody needs; where vm.memfd_noexec is 2
 * it must be given, and older kernels do not know it. */
static int create(void)
{
    int fd = memfd_create("ffi_static", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("ffi_static", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* Under the lock: the template is whole (text.c). Memory files do not block, and the system call
 * itself, unlike write(), is no cancellation point. */
static int copy_template(const struct fs_template *of, int fd)
{
    size_t done = 0;
    while (done < of->code_size) {
        long n = syscall(SYS_write, fd, of->code + done, of->code_size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int fill(const struct fs_template *of, int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < of->code_size)
        return -EFBIG;
    fs_template_touch(of);
    fs_lock();
    int error = copy_template(of, fd);
    fs_unlock();
    if (error)
        return error;
    if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    int have = fcntl(fd, F_GET_SEALS);
    return have < 0 ? -errno : (have & SEALS) == SEALS ? 0 : -EPERM;
}

static int map_memfd(const struct fs_template *of, char *code, struct fs_why *why)
{
    char answer[96];
    int fd = create();
    if (fd < 0)
        return fs_refuse(why, fd, "memfd_create: %s", fs_errno_text(fd, answer, sizeof answer));
    int error = fill(of, fd);
    if (error) {
        close(fd);
        return fs_refuse(why, error, "writing and sealing a memory file: %s%s",
                         fs_errno_text(error, answer, sizeof answer),
                         error == -EFBIG ? "; RLIMIT_FSIZE is smaller than a copy" : "");
    }
    char *p = mmap(code, of->code_size, of->prot, MAP_PRIVATE | MAP_FIXED, fd, 0);
    error = p == MAP_FAILED ? -errno : 0;
    close(fd);
    if (error)
        return fs_refuse(why, error, "mmap of a sealed memory file readable and executable: %s",
                         fs_errno_text(error, answer, sizeof answer));
    return 0;
}

const struct fs_provider fs_provider_memfd = {
    .name = "memfd",
    .about = "a copy of the trampolines in a memory file, sealed before it is mapped",
    .map = map_memfd,
};
