/* SPDX-License-Identifier: MIT */
/* fields.c - TRAMPFD_CREATE with each field out of range: the documented errno, and nothing kept
 *
 * Each test changes a correct struct in one way. Afterwards the correct struct must still work, and
 * the process must have no more descriptors than before. ktest.c checks the pages.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "table.h"

static void refused(const struct trampfd_create *arg, int error)
{
    struct trampfd_create before = *arg, good = valid();
    int fds = open_fds();
    errno = 0;
    int fd = create(arg);
    if (fd != -1 || errno != error)
        FAIL("TRAMPFD_CREATE gives %d with %s, not %s", fd, strerrorname(errno),
             strerrorname(error));
    CHECK(memcmp(&before, arg, sizeof before) == 0);
    CHECK_EQ(open_fds(), fds);
    fd = create(&good);
    CHECK(fd >= 0);
    close(fd);
}

#define REFUSED(name, error, change)                                                               \
    TEST(name)                                                                                     \
    {                                                                                              \
        ONE;                                                                                       \
        struct trampfd_create a = valid();                                                         \
        change;                                                                                    \
        refused(&a, error);                                                                        \
    }
#define REFUSED_COMPACT(name, error, change)                                                       \
    TEST(name)                                                                                     \
    {                                                                                              \
        ONE;                                                                                       \
        struct trampfd_create a = valid_compact(255);                                              \
        change;                                                                                    \
        refused(&a, error);                                                                        \
    }

static const unsigned exclusive = TRAMPFD_COMPACT | TRAMPFD_CODE_ARRAY;
static uint64_t array[4];

TEST(what_is_right_is_accepted)
{
    ONE;
    struct table table = make_valid(1);
    check_bytes(&table);
    check_calls(&table);
}

REFUSED(size_of_0, EINVAL, a.size = 0)
REFUSED(size_below_the_first_published, EINVAL, a.size = TRAMPFD_CREATE_SIZE_V0 - 1)
REFUSED(size_above_a_page, E2BIG, a.size = (uint32_t)page() + 1)
REFUSED(size_of_all_ones, E2BIG, a.size = UINT32_MAX)
REFUSED(count_of_0, EINVAL, a.count = 0)
REFUSED(count_above_the_maximum, EOVERFLOW, a.count = info().max_count + 1)
REFUSED(count_of_all_ones, EOVERFLOW, a.count = UINT32_MAX)
REFUSED(count_whose_bytes_overflow_32_bits, EOVERFLOW, a.count = 1u << 27)
REFUSED(first_without_compact, EINVAL, a.first = 1; a.count = 2)
REFUSED_COMPACT(first_equal_to_count, EINVAL, a.first = a.count)
REFUSED_COMPACT(first_of_all_ones, EINVAL, a.first = UINT32_MAX)
REFUSED(code_register_without_its_flag, EINVAL, a.code_register = CODE_R)
REFUSED(stride_with_a_data_array, EINVAL, a.flags = TRAMPFD_DATA_ARRAY; a.data = (uintptr_t)array)
REFUSED(compact_with_a_code_array, EINVAL, a.flags = exclusive; a.code = (uintptr_t)array)
REFUSED_COMPACT(compact_with_a_code_register, EINVAL, a.flags |= TRAMPFD_CODE_REGISTER;
                a.code_register = CODE_R)
REFUSED(data_array_unmapped, EFAULT, a.flags = TRAMPFD_DATA_ARRAY; a.stride = 0; a.data = page())
REFUSED(data_array_at_null, EFAULT, a.flags = TRAMPFD_DATA_ARRAY; a.stride = 0; a.data = 0)
REFUSED(data_array_in_the_kernel, EFAULT, a.flags = TRAMPFD_DATA_ARRAY; a.stride = 0;
        a.data = 0xffff888000000000)
REFUSED(data_array_that_wraps, EFAULT, a.flags = TRAMPFD_DATA_ARRAY; a.stride = 0; a.count = 4;
        a.data = (uint64_t)-16)
REFUSED(code_array_unmapped, EFAULT, a.flags = TRAMPFD_CODE_ARRAY; a.code = page())
REFUSED(code_array_in_the_kernel, EFAULT, a.flags = TRAMPFD_CODE_ARRAY; a.code = 0xffff888000000000)
REFUSED(code_register_equal_to_data_register, EINVAL, a.flags = TRAMPFD_CODE_REGISTER;
        a.code_register = a.data_register)
REFUSED(data_register_is_the_stack_pointer, EINVAL, a.data_register = STACK_POINTER)
REFUSED(code_register_is_the_stack_pointer, EINVAL, a.flags = TRAMPFD_CODE_REGISTER;
        a.code_register = STACK_POINTER)
REFUSED(data_register_that_there_is_not, EINVAL, a.data_register = NO_REGISTER)
REFUSED(data_register_of_all_ones, EINVAL, a.data_register = UINT32_MAX)
REFUSED(data_register_that_is_right_modulo_256, EINVAL, a.data_register = 256 + DATA_R)
REFUSED(data_register_that_is_right_modulo_64, EINVAL, a.data_register = 64 + DATA_R)
REFUSED(code_register_that_there_is_not, EINVAL, a.flags = TRAMPFD_CODE_REGISTER;
        a.code_register = NO_REGISTER)
REFUSED(code_register_right_modulo_32, EINVAL, a.flags = TRAMPFD_CODE_REGISTER;
        a.code_register = 64 + CODE_R)

TEST(scratch_register_as_data_register)
{
    ONE;
    struct trampfd_create a = valid();
    if (SCRATCH < 0)
        ktest_skip("no register is spent on the jump");
    a.data_register = (unsigned)SCRATCH;
    refused(&a, EINVAL);
}

TEST(code_at_no_instructions_boundary)
{
    ONE;
    struct trampfd_create a = valid();
    if (CODE_ALIGN == 1)
        ktest_skip("instructions begin anywhere");
    a.code += CODE_ALIGN / 2;
    refused(&a, EINVAL);
}

TEST_FOR(unknown_flag, 28)
{
    struct trampfd_create a = valid();
    a.flags |= 1u << (which + 4);
    refused(&a, EINVAL);
}

TEST(info_tells_all_flags_that_are_known)
{
    ONE;
    CHECK_EQ(info().flags,
             TRAMPFD_COMPACT | TRAMPFD_CODE_ARRAY | TRAMPFD_DATA_ARRAY | TRAMPFD_CODE_REGISTER);
}

static void *two_pages_of_which_one(void)
{
    char *at = mmap(NULL, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    CHECK(munmap(at + page(), page()) == 0);
    return at;
}

TEST(a_struct_that_reaches_into_nothing)
{
    ONE;
    char *end = (char *)two_pages_of_which_one() + page();
    struct trampfd_create good = valid();
    memcpy(end - 16, &good, 16);
    CHECK_ERRNO(create(end - 16), EFAULT);
    CHECK_ERRNO(create(end - 2), EFAULT);
}

TEST(a_struct_at_null_or_in_the_kernel)
{
    ONE;
    CHECK_ERRNO(create(NULL), EFAULT);
    CHECK_ERRNO(create((void *)0xffff888000000000), EFAULT);
    CHECK_ERRNO(create((void *)-8L), EFAULT);
}

TEST(a_longer_struct_with_zeros_is_accepted)
{
    ONE;
    char *at = calloc(2, page());
    struct trampfd_create good = valid();
    good.size = (uint32_t)page();
    memcpy(at, &good, sizeof good);
    int fd = create(at);
    CHECK(fd >= 0);
    CHECK(map(fd, &good) != MAP_FAILED);
}

TEST(a_longer_struct_with_one_unknown_bit_set)
{
    ONE;
    char *at = calloc(2, page());
    struct trampfd_create good = valid();
    good.size = (uint32_t)page();
    memcpy(at, &good, sizeof good);
    for (size_t i = sizeof good; i < page(); i = i * 2 - 7) {
        at[i] = 1;
        CHECK_ERRNO(create(at), E2BIG);
        at[i] = 0;
    }
    at[page() - 1] = 1;
    CHECK_ERRNO(create(at), E2BIG);
    at[page() - 1] = 0;
    at[page()] = 1; /* behind the struct */
    CHECK(create(at) >= 0);
}

TEST(a_longer_struct_whose_rest_is_unreadable)
{
    ONE;
    char *end = (char *)two_pages_of_which_one() + page();
    struct trampfd_create good = valid();
    good.size += 8;
    memcpy(end - sizeof good, &good, sizeof good);
    CHECK_ERRNO(create(end - sizeof good), EFAULT);
}

TEST(a_data_array_that_reaches_into_nothing)
{
    ONE;
    uint64_t *end = (uint64_t *)((char *)two_pages_of_which_one() + page());
    struct trampfd_create a = valid();
    a.flags = TRAMPFD_DATA_ARRAY;
    a.stride = 0;
    a.data = (uintptr_t)(end - 4);
    a.count = 5;
    refused(&a, EFAULT);
    a.count = 4; /* all of it is there */
    CHECK(create(&a) >= 0);
}

TEST(a_code_array_with_one_bad_address)
{
    ONE;
    enum { N = 1000 };
    static uint64_t codes[N];
    struct trampfd_create a = valid();
    for (unsigned i = 0; i < N; i++)
        codes[i] = (uintptr_t)target(i);
    a.flags = TRAMPFD_CODE_ARRAY;
    a.code = (uintptr_t)codes;
    a.count = N;
    static const unsigned places[] = {0, 1, 127, 128, 500, N - 1};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        codes[places[i]] = (uintptr_t)codes & ~7ull; /* writable */
        refused(&a, EACCES);
        codes[places[i]] = page(); /* nothing there */
        refused(&a, EFAULT);
        codes[places[i]] = (uintptr_t)target(0);
    }
    CHECK(create(&a) >= 0);
}

TEST(an_unknown_ioctl)
{
    ONE;
    struct trampfd_create a = valid();
    int dev = device();
    CHECK_ERRNO(ioctl(dev, TRAMPFD_CREATE + 2, &a), ENOTTY);
    CHECK_ERRNO(ioctl(dev, TRAMPFD_CREATE - 1, &a), ENOTTY);
    CHECK_ERRNO(ioctl(dev, _IOW(TRAMPFD_IOC_MAGIC, 0x40, struct trampfd_create), &a), ENOTTY);
    CHECK_ERRNO(ioctl(dev, 0, &a), ENOTTY);
}

TEST(an_ioctl_on_a_table)
{
    ONE;
    struct trampfd_create a = valid();
    struct table table = make_valid(1);
    CHECK_ERRNO(ioctl(table.fd, TRAMPFD_CREATE, &a), ENOTTY);
    CHECK_ERRNO(ioctl(table.fd, TRAMPFD_INFO, &a), ENOTTY);
}
