/* SPDX-License-Identifier: MIT */
/* compat32.c - a 32-bit program without a C library: both ioctls must answer EOPNOTSUPP
 *
 * gcc -m32 -nostdlib needs no package of gcc-multilib. Exit status: 0, or the number of the ioctl
 * that answered something else.
 */
#include <linux/trampfd.h>

static int call(int number, long a, long b, long c)
{
    int answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return answer;
}

void _start(void);
__attribute__((force_align_arg_pointer)) void _start(void)
{
    static struct trampfd_create arg = {.size = sizeof(struct trampfd_create), .count = 1};
    static struct trampfd_info info = {.size = sizeof(struct trampfd_info)};
    enum { EXIT = 1, OPEN = 5, IOCTL = 54, NOT_SUPPORTED = -95 };
    int status = 0, fd = call(OPEN, (long)"/dev/trampfd", 0, 0);
    if (fd < 0)
        status = 1;
    else if (call(IOCTL, fd, TRAMPFD_CREATE, (long)&arg) != NOT_SUPPORTED)
        status = 2;
    else if (call(IOCTL, fd, TRAMPFD_INFO, (long)&info) != NOT_SUPPORTED)
        status = 3;
    call(EXIT, status, 0, 0);
}
