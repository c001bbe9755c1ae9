/* SPDX-License-Identifier: MIT */
/* compat.c - a 32-bit caller: by int 0x80 from 64-bit code, and from a program of its own
 *
 * The kernel writes only 64-bit code, so it refuses 32-bit system calls with EOPNOTSUPP.
 */
#include "table.h"
#ifdef __x86_64__
#include <sys/mman.h>
#include <sys/wait.h>

static long ioctl_32(int fd, unsigned long request, unsigned long arg)
{
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(54), "b"((long)fd), "c"(request), "d"(arg)
                     : "memory", "r8", "r9", "r10", "r11");
    return answer;
}

static void refused_32(unsigned long request)
{
    struct trampfd_create *arg =
        mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(arg != MAP_FAILED);
    *arg = valid();
    int dev = device();
    CHECK_EQ(ioctl_32(dev, request, (uintptr_t)arg), -EOPNOTSUPP);
    CHECK_EQ(ioctl_32(dev, request, 0), -EOPNOTSUPP);
}

TEST(create_by_a_32_bit_system_call)
{
    ONE;
    refused_32(TRAMPFD_CREATE);
}

TEST(info_by_a_32_bit_system_call)
{
    ONE;
    refused_32(TRAMPFD_INFO);
}

TEST(an_unknown_ioctl_by_a_32_bit_system_call)
{
    ONE;
    long answer = ioctl_32(device(), TRAMPFD_CREATE + 7, 0);
    CHECK(answer == -EOPNOTSUPP || answer == -ENOTTY);
}

TEST(a_32_bit_program)
{
    ONE;
    if (access("/compat32", X_OK) != 0)
        ktest_skip("no 32-bit program here");
    pid_t pid = fork();
    if (pid == 0) {
        execl("/compat32", "compat32", (char *)NULL);
        _exit(errno == ENOEXEC ? 77 : 126);
    }
    int status = status_of(pid);
    if (status == 77)
        ktest_skip("this kernel runs no 32-bit programs");
    CHECK_EQ(status, PASSED);
}
#else
TEST(a_32_bit_program)
{
    ONE;
    ktest_skip("no compiler for 32-bit programs of this machine is asked for");
}
#endif
