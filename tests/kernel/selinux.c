/* SPDX-License-Identifier: MIT */
/* selinux.c - a job of a guest that runs under SELinux: does a table need execmem?
 *
 * Loads two policies in turn, both without execmem. The first lets files of type trampfd_t be
 * executed, the second does not. Anonymous executable memory is refused under both, or the policy
 * is not in force and the rest means nothing. Prints what was wrong, and ends with 1 then.
 */
#include <linux/trampfd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

static int wrong;

static void expect(const char *what, long got, long wanted)
{
    if (got == wanted)
        return;
    printf("wrong: %s: %ld (%s), not %ld\n", what, got, strerror((int)got), wanted);
    wrong++;
}

static long target(void)
{
    long r10;
    __asm__("mov %%r10, %0" : "=r"(r10));
    return r10;
}

/* 0 or the errno of an anonymous mapping that is executable. */
static int anonymous(int rights)
{
    void *p = mmap(NULL, 4096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}

/* 0 or the errno of a table that is made, mapped and called. */
static int table(void)
{
    int dev = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
    struct trampfd_create arg = {.size = sizeof arg,
                                 .count = 10,
                                 .data_register = TRAMPFD_X86_R(10),
                                 .code = (uintptr_t)target,
                                 .data = 0x12345678,
                                 .stride = 64};
    int fd = ioctl(dev, TRAMPFD_CREATE, &arg);
    if (fd < 0)
        return errno + 1000; /* not the mapping that was refused */
    char *at = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int how = MAP_PRIVATE | MAP_FIXED;
    expect("mapping the constants", mmap(at, 4096, PROT_READ, how, fd, 0) == at, 1);
    at += 4096;
    int error = mmap(at, 4096, PROT_READ | PROT_EXEC, how, fd, 4096) == at ? 0 : errno;
    if (!error)
        expect("the trampoline's data", ((long (*)(void))(uintptr_t)(at + TRAMPFD_OFFSET(3U)))(),
               0x12345678 + 3 * 64);
    close(fd);
    close(dev);
    return error;
}

static void load(const char *policy)
{
    static char bytes[1 << 20];
    int from = open(policy, O_RDONLY), to = open("/sys/fs/selinux/load", O_RDWR);
    ssize_t size = read(from, bytes, sizeof bytes);
    expect(policy, write(to, bytes, (size_t)size), size);
    close(from);
    close(to);
    to = open("/sys/fs/selinux/enforce", O_RDWR);
    expect("enforcing", write(to, "1", 1), 1);
    close(to);
}

int main(void)
{
    expect("selinuxfs", mount("selinux", "/sys/fs/selinux", "selinuxfs", 0, NULL), 0);
    expect("without a policy, anonymous", anonymous(PROT_READ | PROT_EXEC), 0);
    expect("without a policy, a table", table(), 0);
    load("/execute.policy");
    expect("with execute on trampfd_t, anonymous", anonymous(PROT_READ | PROT_EXEC), EACCES);
    expect("with execute on trampfd_t, a table", table(), 0);
    load("/nothing.policy");
    expect("without, anonymous", anonymous(PROT_READ | PROT_EXEC), EACCES);
    expect("without, a table", table(), EACCES);
    return wrong != 0;
}
