/* SPDX-License-Identifier: MIT */
/* mapping.c - mmap of a table, and the other system calls on its descriptor
 *
 * A table has two parts, constants and code. Each is mapped once and whole. After each refusal the
 * correct mmap must still work, once.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "table.h"

enum { RX = PROT_READ | PROT_EXEC, FIXED = MAP_PRIVATE | MAP_FIXED };
enum part { CONSTANTS, CODE };

struct wrong {
    enum part part;
    unsigned pages; /* of three */
    int rights;
    int how;
    unsigned offset; /* in pages; 3: where the code begins */
    int error;
};

/* Map one part wrongly, at its right place. Then map both parts correctly. */
static void map_refused(struct wrong wrong)
{
    struct table table = {.arg = valid(), .fd = -1};
    table.arg.count = in_pages(3);
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    CHECK(table.fd >= 0);
    unsigned char *room = mmap(NULL, 12 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    table.at = room + 3 * page();
    if (wrong.part == CODE)
        CHECK(map_constants(table.fd, &table.arg, table.at) == room);
    errno = 0;
    void *at = mmap(wrong.part == CODE ? table.at : room, wrong.pages * page(), wrong.rights,
                    wrong.how | MAP_FIXED, table.fd, (off_t)(wrong.offset * page()));
    if (at != MAP_FAILED || errno != wrong.error)
        FAIL("mmap gives %p with %s, not %s", at, strerrorname(errno), strerrorname(wrong.error));
    if (wrong.part == CONSTANTS)
        CHECK(map_constants(table.fd, &table.arg, table.at) == room);
    CHECK(map_code(table.fd, &table.arg, table.at) == table.at);
    check_bytes(&table);
    check_calls(&table);
}

#define MAP_REFUSED(name, ...)                                                                     \
    TEST(name)                                                                                     \
    {                                                                                              \
        ONE;                                                                                       \
        map_refused((struct wrong){__VA_ARGS__});                                                  \
    }
MAP_REFUSED(map_at_an_offset, CONSTANTS, 3, PROT_READ, MAP_PRIVATE, 1, EINVAL)
MAP_REFUSED(map_at_an_offset_so_that_the_end_fits, CONSTANTS, 2, PROT_READ, MAP_PRIVATE, 1, EINVAL)
MAP_REFUSED(map_of_one_page_less, CONSTANTS, 2, PROT_READ, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_of_one_page_more, CONSTANTS, 4, PROT_READ, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_of_both_at_once, CONSTANTS, 6, PROT_READ, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_shared, CONSTANTS, 3, PROT_READ, MAP_SHARED, 0, EINVAL)
MAP_REFUSED(map_shared_validate, CONSTANTS, 3, PROT_READ, MAP_SHARED_VALIDATE, 0, EINVAL)
MAP_REFUSED(map_without_any_right, CONSTANTS, 3, PROT_NONE, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_readable_and_writable, CONSTANTS, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, EACCES)
MAP_REFUSED(map_writable_only, CONSTANTS, 3, PROT_WRITE, MAP_PRIVATE, 0, EACCES)
MAP_REFUSED(map_constants_executable, CONSTANTS, 3, RX, MAP_PRIVATE, 0, EACCES)
MAP_REFUSED(map_constants_executable_only, CONSTANTS, 3, PROT_EXEC, MAP_PRIVATE, 0, EACCES)
MAP_REFUSED(map_constants_executable_and_shared, CONSTANTS, 3, RX, MAP_SHARED, 0, EACCES)
MAP_REFUSED(map_both_executable_at_once, CONSTANTS, 6, RX, MAP_PRIVATE, 0, EINVAL)
MAP_REFUSED(map_constants_and_some_code_executable, CONSTANTS, 4, RX, MAP_PRIVATE, 2, EINVAL)
MAP_REFUSED(map_code_over_the_constants_place, CONSTANTS, 3, RX, MAP_PRIVATE, 3, EADDRNOTAVAIL)
MAP_REFUSED(map_code_at_an_offset, CODE, 3, RX, MAP_PRIVATE, 4, EINVAL)
MAP_REFUSED(map_code_beyond_the_end, CODE, 3, RX, MAP_PRIVATE, 6, EINVAL)
MAP_REFUSED(map_code_of_one_page_less, CODE, 2, RX, MAP_PRIVATE, 3, EINVAL)
MAP_REFUSED(map_code_of_one_page_more, CODE, 4, RX, MAP_PRIVATE, 3, EINVAL)
MAP_REFUSED(map_code_shared, CODE, 3, RX, MAP_SHARED, 3, EINVAL)
MAP_REFUSED(map_code_readable_only, CODE, 3, PROT_READ, MAP_PRIVATE, 3, EINVAL)
MAP_REFUSED(map_code_executable_only, CODE, 3, PROT_EXEC, MAP_PRIVATE, 3, EINVAL)
MAP_REFUSED(map_code_without_any_right, CODE, 3, PROT_NONE, MAP_PRIVATE, 3, EINVAL)
MAP_REFUSED(map_code_writable, CODE, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, EACCES)
/* These rights must be refused. */
MAP_REFUSED(map_with_all_rights, CODE, 3, RX | PROT_WRITE, MAP_PRIVATE, 3, EACCES)
MAP_REFUSED(map_constants_with_all_rights, CONSTANTS, 3, RX | PROT_WRITE, MAP_PRIVATE, 0, EACCES)

TEST(map_shared_and_writable_is_refused)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    unsigned char *at = reserve(&arg) - page();
    CHECK_ERRNO(mmap(at, page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), EACCES);
}

/* Each part again, beside itself. */
static void refused_again(int fd, const struct trampfd_create *arg)
{
    unsigned char *at = reserve(arg);
    CHECK(at != MAP_FAILED);
    CHECK_ERRNO(map_constants(fd, arg, at), EBUSY);
    errno = 0;
    CHECK(map_code(fd, arg, at) == MAP_FAILED && errno == EADDRNOTAVAIL);
}

TEST(map_a_second_time)
{
    ONE;
    struct table table = make_valid(1);
    refused_again(table.fd, &table.arg);
    CHECK_ERRNO(map_code(table.fd, &table.arg, table.at), EBUSY);
}

TEST(map_again_after_unmapping)
{
    ONE;
    struct table table = make_valid(1);
    CHECK(munmap(table.at - table.size, 2 * table.size) == 0);
    refused_again(table.fd, &table.arg);
}

TEST(map_the_code_again_after_unmapping_it)
{
    ONE;
    struct table table = make_valid(1);
    CHECK(munmap(table.at, table.size) == 0);
    CHECK_ERRNO(map_code(table.fd, &table.arg, table.at), EBUSY);
}

TEST(map_a_duplicate_descriptor_a_second_time)
{
    ONE;
    struct table table = make_valid(1);
    refused_again(dup(table.fd), &table.arg);
    check_calls(&table);
}

TEST(map_where_the_kernel_likes)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    CHECK_ERRNO(mmap(NULL, page(), PROT_READ, MAP_PRIVATE, fd, 0), EADDRNOTAVAIL);
    CHECK_ERRNO(mmap(data_at, page(), PROT_READ, MAP_PRIVATE, fd, 0), EADDRNOTAVAIL);
    CHECK_ERRNO(mmap(NULL, page(), RX, MAP_PRIVATE, fd, (off_t)page()), EADDRNOTAVAIL);
    CHECK(map(fd, &arg) != MAP_FAILED);
}

TEST(map_the_code_before_its_constants)
{
    ONE;
    struct trampfd_create arg = valid();
    struct table table = {.arg = arg, .size = map_size(&arg), .fd = create(&arg)};
    unsigned char *room = mmap(NULL, 4 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    table.at = room + page();
    CHECK_ERRNO(map_code(table.fd, &arg, table.at), EADDRNOTAVAIL);
    CHECK(map_constants(table.fd, &arg, table.at) != MAP_FAILED);
    CHECK_ERRNO(map_code(table.fd, &arg, table.at + page()), EADDRNOTAVAIL);
    CHECK(map_code(table.fd, &arg, table.at) == table.at);
    check_bytes(&table);
    check_calls(&table);
}

/* The other table has the same fields; only its owner differs. */
TEST(map_the_code_behind_the_constants_of_another_table)
{
    ONE;
    struct table one = make_valid(1);
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    unsigned char *at = reserve(&arg);
    CHECK(map_constants(fd, &arg, at) != MAP_FAILED);
    CHECK(munmap(one.at, one.size) == 0);
    CHECK_ERRNO(map_code(fd, &arg, one.at), EADDRNOTAVAIL);
    CHECK(map_code(fd, &arg, at) == at);
}

/* After a refusal there must be no hole, into which another thread could map something. */
TEST(what_is_refused_leaves_what_was_there)
{
    ONE;
    struct table table = make_valid(1);
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    unsigned char *at = reserve(&arg);
    CHECK(mprotect(at - page(), 2 * page(), PROT_READ | PROT_WRITE) == 0);
    at[-1] = at[0] = 1;
    CHECK_ERRNO(map_constants(table.fd, &arg, at), EBUSY);
    CHECK_ERRNO(map_code(table.fd, &arg, at), EADDRNOTAVAIL);
    CHECK_ERRNO(map_code(fd, &arg, at), EADDRNOTAVAIL);
    CHECK_ERRNO(mmap(at - page(), 2 * page(), PROT_READ, FIXED, fd, 0), EINVAL);
    CHECK_ERRNO(mmap(at, page(), RX, FIXED, fd, (off_t)(2 * page())), EINVAL);
    CHECK(at[-1] == 1 && at[0] == 1);
}

TEST(map_the_code_behind_memory_that_stands_for_constants)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    unsigned char *at = reserve(&arg);
    CHECK(mprotect(at - page(), page(), PROT_READ | PROT_WRITE) == 0);
    CHECK_ERRNO(map_code(fd, &arg, at), EADDRNOTAVAIL);
    CHECK(map_constants(fd, &arg, at) != MAP_FAILED);
    CHECK(munmap(at - page(), page()) == 0);
    CHECK_ERRNO(map_code(fd, &arg, at), EADDRNOTAVAIL);
    CHECK(mmap(at - page(), page(), PROT_READ | PROT_WRITE, FIXED | MAP_ANONYMOUS, -1, 0) ==
          at - page());
    CHECK_ERRNO(map_code(fd, &arg, at), EADDRNOTAVAIL);
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

TEST(map_over_what_is_there)
{
    ONE;
    struct trampfd_create arg = valid_compact(255);
    struct table table = {.arg = arg, .size = map_size(&arg), .fd = create(&arg)};
    table.at = reserve(&arg);
    CHECK_ERRNO(
        mmap(table.at - page(), page(), PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, table.fd, 0),
        EEXIST);
    CHECK(munmap(table.at - page(), page()) == 0);
    CHECK(mmap(table.at - page(), page(), PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, table.fd,
               0) == table.at - page());
    CHECK(map_code(table.fd, &arg, table.at) == table.at);
    check_bytes(&table);
    check_calls(&table);
}

TEST(map_populated_and_locked)
{
    ONE;
    const int how = FIXED | MAP_POPULATE | MAP_LOCKED;
    struct table table = {.arg = valid()};
    table.size = map_size(&table.arg);
    table.fd = create(&table.arg);
    table.at = reserve(&table.arg);
    CHECK(mmap(table.at - page(), page(), PROT_READ, how, table.fd, 0) != MAP_FAILED);
    CHECK(mmap(table.at, page(), RX, how, table.fd, (off_t)page()) != MAP_FAILED);
    check_bytes(&table);
    check_calls(&table);
}

/* The address space is full: mmap itself fails, before or after the kernel asks the module. */
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
    CHECK_EQ(user_pages(), pages_of(&table.arg));
    CHECK(munmap(table.at, table.size) == 0);
    CHECK_EQ(user_pages(), pages_of(&table.arg)); /* the constants are still there */
    CHECK(munmap(table.at - table.size, table.size) == 0);
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
    CHECK_EQ(st.st_size, 2 * TRAMPFD_CODE_SIZE(1000, page()));
    CHECK_EQ(st.st_mode & 0222, 0);
}

static void check_flags(const void *at, const char *const *has, const char *const *has_not)
{
    for (; *has; has++)
        if (!has_vm_flag(at, *has))
            FAIL("VmFlags lacks %s", *has);
    for (; *has_not; has_not++)
        if (has_vm_flag(at, *has_not))
            FAIL("VmFlags has %s", *has_not);
}

TEST(the_mapping_is_immutable_and_private)
{
    ONE;
    static const char *const has[] = {"rd", "ex", "mr", "me", "de", NULL};
    static const char *const has_not[] = {"wr", "sh", "mw", "ms", NULL};
    struct table table = make_valid(1);
    check_flags(table.at, has, has_not);
}

TEST(the_constants_are_immutable_and_can_never_be_executed)
{
    ONE;
    static const char *const has[] = {"rd", "mr", "de", NULL};
    static const char *const has_not[] = {"wr", "ex", "sh", "mw", "me", "ms", NULL};
    struct table table = make_valid(1);
    check_flags(table.at - table.size, has, has_not);
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

/* Through /proc/self/fd a program could open the file again, for other rights or another mapping.
 */
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
    for (unsigned part = 0; part < 2; part++) {
        long from = (long)(table.at - part * table.size);
        snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", from, from + (long)table.size);
        fd = open(link, how[which] | O_CLOEXEC);
        if (fd >= 0) {
            CHECK(map(fd, &table.arg) == MAP_FAILED);
            CHECK(write(fd, "x", 1) == -1);
        }
    }
    check_bytes(&table);
}

/* Of a table's descriptor and a second descriptor of the same file, only one can be mapped. */
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
