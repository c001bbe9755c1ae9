/* SPDX-License-Identifier: MIT */
/* memory.c - every system call that changes mappings, tried on a table
 *
 * The rule for all of them: whatever a program asks for, the bytes of a table are those that the
 * kernel wrote, or the table is not mapped. They are never other bytes, and never a part.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "table.h"

enum { RX = PROT_READ | PROT_EXEC };

/* Three pages, absolute, so that a part of it is whole pages. */
static struct table three_pages(void)
{
    return make_valid(in_pages(3));
}

static void intact(const struct table *table)
{
    check_bytes(table);
    check_calls(table);
}

TEST_FOR(mprotect_with_write_is_refused, 8)
{
    struct table table = three_pages();
    int rights = (int)which; /* all eight, of the whole, of a part in each place */
    if (!(rights & PROT_WRITE))
        return;
    CHECK_ERRNO(mprotect(table.at, table.size, rights), EACCES);
    CHECK_ERRNO(mprotect(table.at, page(), rights), EACCES);
    CHECK_ERRNO(mprotect(table.at + page(), page(), rights), EACCES);
    CHECK_ERRNO(mprotect(table.at + 2 * page(), page(), rights), EACCES);
    CHECK(syscall(SYS_pkey_mprotect, table.at, table.size, rights, -1) == -1);
    CHECK(errno == EACCES || errno == ENOSYS); /* arm64 of 6.1 has no keys */
    intact(&table);
}

TEST(mprotect_of_a_part_is_refused)
{
    ONE;
    struct table table = three_pages();
    CHECK_ERRNO(mprotect(table.at, page(), PROT_READ), EINVAL);
    CHECK_ERRNO(mprotect(table.at + page(), page(), PROT_NONE), EINVAL);
    CHECK_ERRNO(mprotect(table.at + page(), 2 * page(), PROT_READ), EINVAL);
    intact(&table);
}

static void call_first(void *table)
{
    probe_call(((struct table *)table)->at);
}

TEST(mprotect_of_the_whole_takes_rights_away_and_gives_them_back)
{
    ONE;
    struct table table = three_pages();
    CHECK(mprotect(table.at, table.size, PROT_READ) == 0);
    check_bytes(&table);
    CHECK_EQ(in_child(call_first, &table), KILLED + SIGSEGV);
    CHECK_ERRNO(mprotect(table.at, table.size, PROT_READ | PROT_WRITE), EACCES);
    CHECK(mprotect(table.at, table.size, PROT_NONE) == 0);
    CHECK_EQ(in_child(call_first, &table), KILLED + SIGSEGV);
    CHECK_ERRNO(mprotect(table.at, table.size, PROT_READ | PROT_WRITE), EACCES);
    CHECK(mprotect(table.at, table.size, RX) == 0);
    intact(&table);
}

TEST(munmap_of_a_part_is_refused)
{
    ONE;
    struct table table = three_pages();
    CHECK_ERRNO(munmap(table.at, page()), EINVAL);
    CHECK_ERRNO(munmap(table.at + page(), page()), EINVAL);
    CHECK_ERRNO(munmap(table.at + page(), 2 * page()), EINVAL);
    CHECK_ERRNO(munmap(table.at - page(), 2 * page()), EINVAL); /* of both parts */
    CHECK_ERRNO(munmap(table.at - table.size, page()), EINVAL);
    CHECK_ERRNO(munmap(table.at - 2 * page(), page()), EINVAL);
    CHECK_ERRNO(munmap(table.at - table.size, table.size + page()), EINVAL);
    intact(&table);
}

TEST(munmap_of_the_whole_takes_the_pages_back)
{
    ONE;
    struct table table = three_pages();
    CHECK_EQ(user_pages(), 3 + 1); /* pages of code that are full are one */
    unmap(&table);
    CHECK_EQ(user_pages(), 0);
    CHECK_EQ(in_child(call_first, &table), KILLED + SIGSEGV);
}

TEST(mapping_over_a_part_is_refused)
{
    ONE;
    struct table table = three_pages();
    for (int i = -3; i < 3; i++) {
        void *at = mmap(table.at + i * (long)page(), page(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        /* Linux 6.1 answers ENOMEM when it could not unmap a mapping. */
        CHECK(at == MAP_FAILED && (errno == EINVAL || errno == ENOMEM));
    }
    CHECK_ERRNO(
        mmap(table.at, page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
        EEXIST);
    intact(&table);
}

TEST(mapping_over_the_whole_replaces_it)
{
    ONE;
    struct table table = three_pages();
    CHECK(mmap(table.at, table.size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == table.at);
    memset(table.at, 1, table.size);
    close(table.fd);
    CHECK(munmap(table.at - table.size, table.size) == 0);
    CHECK_EQ(user_pages(), 0);
}

TEST(mremap_to_more_is_refused)
{
    ONE;
    struct table table = three_pages();
    CHECK_ERRNO(mremap(table.at, table.size, table.size + page(), MREMAP_MAYMOVE), EFAULT);
    CHECK_ERRNO(mremap(table.at, table.size, table.size + page(), 0), EFAULT);
    CHECK_ERRNO(mremap(table.at + 2 * page(), page(), 2 * page(), MREMAP_MAYMOVE), EFAULT);
    intact(&table);
}

TEST(mremap_to_less_is_refused)
{
    ONE;
    struct table table = three_pages();
    CHECK_ERRNO(mremap(table.at, table.size, page(), 0), EINVAL);
    CHECK_ERRNO(mremap(table.at, table.size, page(), MREMAP_MAYMOVE), EINVAL);
    intact(&table);
}

/* An old size of 0 asks for a second mapping of the same pages. */
TEST(mremap_of_nothing_gives_no_second_mapping)
{
    ONE;
    struct table table = three_pages();
    CHECK(mremap(table.at, 0, table.size, MREMAP_MAYMOVE) == MAP_FAILED);
    intact(&table);
}

TEST(mremap_that_leaves_the_old_mapping_is_refused)
{
    ONE;
    struct table table = three_pages();
    CHECK_ERRNO(mremap(table.at, table.size, table.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL),
                EINVAL);
    intact(&table);
}

static char *elsewhere(size_t size)
{
    char *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

/* The parts would no longer lie side by side: the code, the constants, or both at once. */
static void not_moved(const struct trampfd_create *arg)
{
    struct table table = make(arg);
    char *to = elsewhere(4 * table.size);
    unsigned char *constants = table.at - table.size;
    const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
    CHECK_ERRNO(mremap(table.at, table.size, table.size, how, to), EINVAL);
    CHECK_ERRNO(mremap(constants, table.size, table.size, how, to), EINVAL);
    CHECK(mremap(constants, 2 * table.size, 2 * table.size, how, to) == MAP_FAILED);
    CHECK(mremap(constants, 0, table.size, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK(mremap(constants, table.size, 2 * table.size, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK(mremap(table.at, table.size, 2 * table.size, MREMAP_MAYMOVE) == MAP_FAILED);
    if (table.size > page())
        CHECK(mremap(table.at, table.size, page(), MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_ERRNO(mremap(constants, table.size, table.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL),
                EINVAL);
    intact(&table);
}

TEST(mremap_of_an_absolute_table_is_refused)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.count = in_pages(3);
    not_moved(&arg);
}

TEST(mremap_of_a_compact_table_is_refused)
{
    ONE;
    struct trampfd_create arg = valid_compact(3 * (unsigned)page() / 16);
    not_moved(&arg);
}

TEST(mremap_of_a_part_is_refused)
{
    ONE;
    struct table table = three_pages();
    char *to = elsewhere(page());
    CHECK_ERRNO(mremap(table.at + page(), page(), page(), MREMAP_MAYMOVE | MREMAP_FIXED, to),
                EINVAL);
    intact(&table);
}

TEST(mremap_of_something_onto_a_part_is_refused)
{
    ONE;
    struct table table = three_pages();
    char *from = elsewhere(page());
    CHECK_ERRNO(mremap(from, page(), page(), MREMAP_MAYMOVE | MREMAP_FIXED, table.at + page()),
                EINVAL);
    intact(&table);
}

/* MADV_*: each advice there is and some that there are not. What is left afterwards: the bytes. */
static const int advices[] = {0,  1,  2,  3,  4,  8,  9,  10, 11, 12, 13, 14,  15,  16, 17,
                              18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 99, 102, 103, -1};
enum { DONTFORK = 10, GUARD_INSTALL = 102, GUARD_REMOVE = 103 };

static void advise(struct table *table, int advice)
{
    unsigned char *constants = table->at - table->size;
    (void)madvise(table->at, table->size, advice);
    (void)madvise(table->at + page(), page(), advice);
    (void)madvise(constants, table->size, advice);
    (void)madvise(constants + page(), page(), advice);
    if (advice == GUARD_INSTALL)
        (void)madvise(constants, 2 * table->size, GUARD_REMOVE);
    intact(table);
}

TEST_FOR(madvise_each, sizeof advices / sizeof *advices)
{
    struct table table = three_pages();
    advise(&table, advices[which]);
    CHECK_ERRNO(mprotect(table.at, table.size, PROT_READ | PROT_WRITE), EACCES);
    CHECK_ERRNO(mprotect(table.at - table.size, table.size, RX), EACCES);
    CHECK(has_vm_flag(table.at, "de") && has_vm_flag(table.at - table.size, "de"));
    unmap(&table);
    CHECK_EQ(user_pages(), 0);
}

TEST_FOR(madvise_compact, sizeof advices / sizeof *advices)
{
    struct trampfd_create arg = valid_compact(3 * (unsigned)page() / 16);
    struct table table = make(&arg);
    advise(&table, advices[which]);
}

TEST(madvise_dontneed_brings_the_same_bytes_back)
{
    ONE;
    struct table table = three_pages();
    for (unsigned i = 0; i < 100; i++) {
        CHECK(madvise(table.at + i % 3 * page(), page(), MADV_DONTNEED) == 0);
        CHECK(madvise(table.at - (1 + i % 3) * page(), page(), MADV_DONTNEED) == 0);
        check_calls(&table);
    }
    check_bytes(&table);
}

/* Guards last (6.15 on, for mappings of files): a table with one is not there, and comes back. */
TEST(madvise_guard_hides_and_shows)
{
    ONE;
    struct table table = three_pages();
    if (madvise(table.at, table.size, GUARD_INSTALL) != 0)
        ktest_skip("this kernel has no guards for such mappings: %s", strerrorname(errno));
    CHECK_EQ(in_child(call_first, &table), KILLED + SIGSEGV);
    CHECK(madvise(table.at, table.size, GUARD_REMOVE) == 0);
    intact(&table);
}

TEST(madvise_soft_offline_moves_no_page_of_a_table)
{
    ONE;
    struct table table = three_pages();
    (void)madvise(table.at, page(), 101);
    intact(&table);
}

static void poison(void *table)
{
    (void)madvise(((struct table *)table)->at, page(), 100);
    probe_call(((struct table *)table)->at);
}

/* The page and its users may be lost; the kernel must go on. */
TEST(madvise_hwpoison_harms_the_process_at_most)
{
    ONE;
    struct table table = three_pages();
    int status = in_child(poison, &table);
    CHECK(status == PASSED || status == KILLED + SIGBUS);
}

TEST(locking_a_table_and_all_memory)
{
    ONE;
    struct table table = three_pages();
    (void)mlock(table.at, table.size);
    (void)munlock(table.at, table.size);
    (void)mlock(table.at, page());
    CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    intact(&table);
    struct table other = three_pages();
    intact(&other);
    CHECK(munlockall() == 0);
    intact(&table);
}

TEST(memory_policies_and_other_questions_about_a_table)
{
    ONE;
    unsigned char there[3] = {0};
    unsigned long nodes = 1;
    void *pages[1];
    int status = 0, node = 0;
    struct table table = three_pages();
    pages[0] = table.at;
    (void)mincore(table.at, table.size, there);
    (void)msync(table.at, table.size, MS_SYNC | MS_INVALIDATE);
    (void)syscall(SYS_mbind, table.at, table.size, 2, &nodes, 8, 3);
    (void)syscall(SYS_mbind, table.at, page(), 2, &nodes, 8, 3);
    (void)syscall(SYS_move_pages, 0, 1, pages, &node, &status, 2);
    (void)syscall(SYS_remap_file_pages, table.at, page(), 0, 1, 0);
    (void)syscall(SYS_remap_file_pages, table.at, page(), 0, 0, 0);
    (void)syscall(SYS_remap_file_pages, table.at - table.size, page(), 0, 3, 0);
    (void)syscall(SYS_remap_file_pages, table.at, table.size, 0, 2, 0);
    intact(&table);
}

TEST(dropping_caches_and_compacting_memory)
{
    ONE;
    static const char *const knobs[] = {"/proc/sys/vm/drop_caches", "/proc/sys/vm/compact_memory"};
    struct table table = make_valid(4096);
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(knobs[i], O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            CHECK(write(fd, i ? "1" : "3", 1) == 1);
        close(fd);
    }
    intact(&table);
}

TEST(a_userfaultfd_cannot_fill_a_table)
{
    ONE;
    struct {
        uint64_t api, features, ioctls;
    } api = {.api = 0xAA};
    struct {
        uint64_t start, len, mode, ioctls;
    } range = {.mode = 1};
    struct table table = three_pages();
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        ktest_skip("no userfaultfd: %s", strerrorname(errno));
    range.start = (uintptr_t)table.at - table.size;
    range.len = table.size;
    CHECK(syscall(SYS_ioctl, fd, 0xc018aa3f, &api) == 0);
    for (unsigned part = 0; part < 2; part++, range.start += table.size)
        for (range.mode = 1; range.mode < 8; range.mode++)
            CHECK(syscall(SYS_ioctl, fd, 0xc020aa00, &range) == -1);
    intact(&table);
}

TEST(a_sealed_table_stays)
{
    ONE;
    struct table table = three_pages();
    if (syscall(462, table.at, table.size, 0) != 0)
        ktest_skip("this kernel has no mseal: %s", strerrorname(errno));
    CHECK_ERRNO(munmap(table.at, table.size), EPERM);
    CHECK(syscall(462, table.at - table.size, table.size, 0) == 0);
    CHECK_ERRNO(munmap(table.at - table.size, table.size), EPERM);
    intact(&table);
}
