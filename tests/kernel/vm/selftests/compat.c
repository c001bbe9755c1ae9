/* SPDX-License-Identifier: MIT */
/* compat.c - 32-bit system calls of a 64-bit program
 *
 * Which code is written, the system call decides. What is written for 32-bit programs is tried by
 * these tests, compiled as one (selftests32).
 */
#include "table.h"
#ifdef __x86_64__
#include <fcntl.h>
#include <sys/mman.h>

static long ioctl_32(int fd, unsigned long request, const void *arg)
{
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(54), "b"((long)fd), "c"(request), "d"(arg)
                     : "memory", "r8", "r9", "r10", "r11");
    return answer;
}

/* Memory that a 32-bit system call can name. */
static void *low(void)
{
    void *at =
        mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static long create_32(const struct trampfd_create *arg)
{
    struct trampfd_create *there = low();
    *there = *arg;
    return ioctl_32(device(), TRAMPFD_CREATE, there);
}

TEST(info_by_a_32_bit_system_call_is_about_32_bit_code)
{
    ONE;
    struct trampfd_info *there = low();
    there->size = sizeof *there;
    CHECK_EQ(ioctl_32(device(), TRAMPFD_INFO, there), 0);
    CHECK_EQ(there->machine, 3);
    CHECK_EQ(there->data_registers, 0xef);
    CHECK_EQ(there->code_registers, 0xef);
    CHECK_EQ(there->flags, info().flags);
}

TEST(create_by_a_32_bit_system_call_writes_32_bit_code)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.data_register = 1;
    CHECK((uintptr_t)target(0) <= UINT32_MAX);
    int fd = (int)create_32(&arg);
    CHECK(fd >= 0);
    unsigned char *at = map(fd, &arg);
    CHECK(at != MAP_FAILED);
    CHECK(memcmp(at, "\xf3\x0f\x1e\xfb\x90\xe8\0\0\0\0\x58", 11) == 0);
}

TEST(create_by_a_32_bit_system_call_knows_8_registers)
{
    ONE;
    struct trampfd_create arg = valid();
    for (arg.data_register = 0; arg.data_register < 16; arg.data_register++) {
        bool there_is = arg.data_register < 8 && arg.data_register != 4;
        long answer = create_32(&arg);
        /* eax is what the jump goes through */
        CHECK(there_is && arg.data_register ? answer >= 0 : answer == -EINVAL);
    }
}

/* Half of its address may be some other code's. */
TEST_FOR(code_above_4_GiB_by_a_32_bit_system_call, 2)
{
    static uint64_t codes[3];
    struct trampfd_create arg = valid();
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char *text = mmap((void *)(uintptr_t)0x2a6a00400000, page(), PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_FIXED_NOREPLACE, self, 0);
    CHECK(text != MAP_FAILED);
    arg.code = (uintptr_t)text + 64;
    arg.count = 3;
    CHECK(close(create(&arg)) == 0);
    arg.data_register = 1;
    if (which) {
        codes[0] = codes[1] = (uintptr_t)target(0);
        codes[2] = arg.code;
        arg.flags |= TRAMPFD_CODE_ARRAY;
        arg.code = (uintptr_t)codes;
    }
    CHECK_EQ(create_32(&arg), -EFAULT);
}

TEST(an_unknown_ioctl_by_a_32_bit_system_call)
{
    ONE;
    CHECK_EQ(ioctl_32(device(), TRAMPFD_CREATE + 7, NULL), -ENOTTY);
}
#endif
