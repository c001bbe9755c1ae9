/* SPDX-License-Identifier: MIT */
/* mapping.c - mmap of a table, and what the descriptor is and is not good for
 *
 * After each refusal the right mmap must still work, once.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "table.h"

static void map_refused(size_t size, int rights, int how, off_t offset, int error)
{
    struct table table = {.arg = valid(), .fd = -1};
    table.arg.count = in_pages(3);
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    CHECK(table.fd >= 0);
    errno = 0;
    void *at = mmap(NULL, size ? size : table.size, rights, how, table.fd, offset);
    if (at != MAP_FAILED || errno != error)
        FAIL("mmap gives %p with %s, not %s", at, strerrorname(errno), strerrorname(error));
    table.at = map(table.fd, &table.arg);
    CHECK(table.at != MAP_FAILED);
    check_bytes(&table);
    check_calls(&table);
}

#define MAP_REFUSED(name, size, rights, how, offset, error)                                        \
    TEST(name)                                                                                     \
    {                                                                                              \
        ONE;                                                                                       \
        map_refused(size, rights, how, offset, error);                                             \
    }
enum { RX = PROT_READ | PROT_EXEC };
MAP_REFUSED(map_at_an_offset, 0, RX, MAP_PRIVATE, (off_t)page(), EINVAL)
MAP_REFUSED(map_at_an_offset_so_that_the_end_fits, 2 * page(), RX, MAP_PRIVATE, (off_t)page(),
            EINVAL)
MAP_REFUSED(map_of_one_page_less, 2 * page(), RX, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_of_one_page_more, 4 * page(), RX, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_shared, 0, RX, MAP_SHARED, 0, EINVAL)
MAP_REFUSED(map_shared_validate, 0, RX, MAP_SHARED_VALIDATE, 0, EINVAL)
MAP_REFUSED(map_readable_only, 0, PROT_READ, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_executable_only, 0, PROT_EXEC, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_without_any_right, 0, PROT_NONE, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_readable_and_writable, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, EACCES)
MAP_REFUSED(map_writable_only, 0, PROT_WRITE, MAP_PRIVATE, 0, EACCES)
/* Asked for in order to be refused. */
MAP_REFUSED(map_with_all_rights, 0, RX | PROT_WRITE, MAP_PRIVATE, 0, EACCES)

TEST(map_shared_and_writable_is_refused)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    void *at = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at == MAP_FAILED && (errno == EACCES || errno == EINVAL));
}

TEST(map_a_second_time)
{
    ONE;
    struct table table = make_valid(1);
    CHECK_ERRNO(map(table.fd, &table.arg), EBUSY);
    check_calls(&table);
}

TEST(map_again_after_unmapping)
{
    ONE;
    struct table table = make_valid(1);
    CHECK(munmap(table.at, table.size) == 0);
    CHECK_ERRNO(map(table.fd, &table.arg), EBUSY);
}

TEST(map_a_duplicate_descriptor_a_second_time)
{
    ONE;
    struct table table = make_valid(1);
    int other = dup(table.fd);
    CHECK_ERRNO(map(other, &table.arg), EBUSY);
}

TEST(map_a_closed_descriptor)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    close(fd);
    CHECK_ERRNO(map(fd, &arg), EBADF);
    CHECK_EQ(user_pages(), 0);
}

TEST(map_compact_elsewhere)
{
    ONE;
    struct trampfd_create arg = valid_compact(255);
    struct table table = {.arg = arg, .size = map_size(&arg), .fd = create(&arg)};
    CHECK(table.fd >= 0);
    CHECK_ERRNO(mmap(NULL, table.size, RX, MAP_PRIVATE, table.fd, 0), EADDRNOTAVAIL);
    void *beside = (void *)(uintptr_t)(arg.map_addr - page());
    CHECK_ERRNO(mmap(beside, table.size, RX, MAP_PRIVATE | MAP_FIXED_NOREPLACE, table.fd, 0),
                EADDRNOTAVAIL);
    table.at = map(table.fd, &arg);
    CHECK(table.at != MAP_FAILED);
    check_calls(&table);
}

TEST(map_compact_over_what_is_there)
{
    ONE;
    struct trampfd_create arg = valid_compact(255);
    void *at = (void *)(uintptr_t)arg.map_addr;
    CHECK(mmap(at, page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    struct table table = {.arg = arg, .size = map_size(&arg), .fd = create(&arg)};
    CHECK_ERRNO(map(table.fd, &arg), EEXIST);
    table.at = mmap(at, table.size, RX, MAP_PRIVATE | MAP_FIXED, table.fd, 0);
    CHECK(table.at == at);
    check_bytes(&table);
    check_calls(&table);
}

TEST(map_populated_and_locked)
{
    ONE;
    struct table table = {.arg = valid()};
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    table.at = mmap(NULL, table.size, RX, MAP_PRIVATE | MAP_POPULATE | MAP_LOCKED, table.fd, 0);
    CHECK(table.at != MAP_FAILED);
    check_bytes(&table);
    check_calls(&table);
}

/* The address space is full: what fails then is mmap itself, before or after the module's say. */
TEST(map_that_fails_for_want_of_room_can_be_tried_again)
{
    ONE;
    struct table table = {.arg = valid()};
    struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    CHECK_ERRNO(map(table.fd, &table.arg), ENOMEM);
    CHECK(setrlimit(RLIMIT_AS, &all) == 0);
    table.at = map(table.fd, &table.arg);
    CHECK(table.at != MAP_FAILED);
    check_calls(&table);
}

TEST(a_table_outlives_its_descriptor)
{
    ONE;
    struct table table = make_valid(500);
    close(table.fd);
    check_bytes(&table);
    check_calls(&table);
    CHECK(user_pages() > 0);
    CHECK(munmap(table.at, table.size) == 0);
    CHECK_EQ(user_pages(), 0);
}

TEST(the_descriptor_is_closed_on_exec)
{
    ONE;
    struct table table = make_valid(1);
    CHECK(fcntl(table.fd, F_GETFD) == FD_CLOEXEC);
}

TEST(the_descriptor_tells_the_size)
{
    ONE;
    struct stat st;
    struct table table = make_valid(1000);
    CHECK(fstat(table.fd, &st) == 0);
    CHECK_EQ(st.st_size, TRAMPFD_MAP_SIZE(1000, page()));
    CHECK_EQ(st.st_mode & 0222, 0);
}

TEST(the_mapping_is_immutable_and_private)
{
    ONE;
    static const char *const has[] = {"rd", "ex", "mr", "me", "de"};
    static const char *const has_not[] = {"wr", "sh", "mw", "ms"};
    struct table table = make_valid(1);
    for (unsigned i = 0; i < sizeof has / sizeof *has; i++)
        if (!has_vm_flag(table.at, has[i]))
            FAIL("VmFlags lacks %s", has[i]);
    for (unsigned i = 0; i < sizeof has_not / sizeof *has_not; i++)
        if (has_vm_flag(table.at, has_not[i]))
            FAIL("VmFlags has %s", has_not[i]);
}

TEST(nothing_is_written_or_changed_through_the_descriptor)
{
    ONE;
    struct table table = make_valid(1);
    char byte = 0;
    CHECK(write(table.fd, "x", 1) == -1);
    CHECK(pwrite(table.fd, "x", 1, 0) == -1);
    CHECK(ftruncate(table.fd, 0) == -1);
    CHECK(ftruncate(table.fd, (off_t)(4 * page())) == -1);
    CHECK(fallocate(table.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16) == -1);
    CHECK(fallocate(table.fd, 0, 0, (off_t)(2 * page())) == -1);
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(sendfile(table.fd, from, NULL, 1) == -1);
    CHECK(copy_file_range(from, NULL, table.fd, NULL, 1, 0) == -1);
    CHECK(read(table.fd, &byte, 1) <= 0 || byte == (char)table.at[0]);
    check_bytes(&table);
    check_calls(&table);
}

/* By /proc/self/fd the file could be opened anew: with other rights, or to be mapped again. */
TEST_FOR(no_second_file_of_the_same_table, 4)
{
    static const int how[] = {O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_TRUNC};
    char link[64];
    struct table table = make_valid(1);
    snprintf(link, sizeof link, "/proc/self/fd/%d", table.fd);
    int fd = open(link, how[which] | O_CLOEXEC);
    if (fd >= 0) {
        CHECK(map(fd, &table.arg) == MAP_FAILED);
        CHECK(write(fd, "x", 1) == -1);
    }
    snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", (long)table.at,
             (long)(table.at + table.size));
    fd = open(link, how[which] | O_CLOEXEC);
    if (fd >= 0) {
        CHECK(map(fd, &table.arg) == MAP_FAILED);
        CHECK(write(fd, "x", 1) == -1);
    }
    check_bytes(&table);
}

/* Before the first mapping, too: the file that was opened anew has the kernel's word for nothing.
 */
TEST(an_unmapped_table_opened_anew_is_not_mapped_twice)
{
    ONE;
    char link[64];
    struct table table = {.arg = valid()};
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    snprintf(link, sizeof link, "/proc/self/fd/%d", table.fd);
    int fd = open(link, O_RDONLY | O_CLOEXEC);
    bool first = fd >= 0 && map(fd, &table.arg) != MAP_FAILED;
    CHECK((map(table.fd, &table.arg) != MAP_FAILED) == !first);
}

TEST(everything_under_proc_self_can_be_read_while_a_table_is_mapped)
{
    ONE;
    static const char *const names[] = {"maps",      "smaps",  "smaps_rollup", "pagemap",
                                        "numa_maps", "statm",  "status",       "mem",
                                        "fdinfo/3",  "limits", "clear_refs",   "stat"};
    static char buffer[1 << 16];
    struct table table = make_valid(1000);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "/proc/self/%s", names[i]);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && strcmp(names[i], "pagemap") != 0 && read(fd, buffer, sizeof buffer) > 0) {
        }
        if (fd >= 0)
            (void)!pread(fd, buffer, 8, (off_t)((uintptr_t)table.at / page() * 8));
        close(fd);
    }
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    for (const char *what = "12345"; fd >= 0 && *what; what++)
        (void)!write(fd, what, 1);
    check_bytes(&table);
    check_calls(&table);
}

TEST(the_device_itself_cannot_be_mapped_read_or_written)
{
    ONE;
    char byte;
    int dev = open("/dev/trampfd", O_RDWR | O_CLOEXEC);
    CHECK(dev >= 0);
    CHECK(mmap(NULL, page(), PROT_READ, MAP_PRIVATE, dev, 0) == MAP_FAILED);
    CHECK(read(dev, &byte, 1) == -1);
    CHECK(write(dev, "x", 1) == -1);
}
