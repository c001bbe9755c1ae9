/* SPDX-License-Identifier: MIT */
/* limits.c - TRAMPFD_INFO, accounting, and the answers when something has run out
 *
 * A table's pages count for the user who made it (trampfd_info.user_pages) and in the memory
 * cgroup, until the last descriptor and mapping are gone. A user who reaches a limit gets an errno,
 * keeps all tables, and can make tables again after giving some back.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "table.h"

static int ask(void *at)
{
    int dev = device();
    int answer = ioctl(dev, TRAMPFD_INFO, at), error = errno;
    close(dev);
    errno = error;
    return answer;
}

TEST(info_tells_what_there_is)
{
    ONE;
    struct trampfd_info now = info();
    CHECK_EQ(now.size, sizeof now);
    CHECK_EQ(now.version, TRAMPFD_VERSION);
    CHECK_EQ(now.machine, ELF_MACHINE);
    CHECK_EQ(now.page_size, page());
    CHECK(now.max_count >= 4096);
}

TEST(info_with_a_size_below_the_first_published)
{
    ONE;
    struct trampfd_info now = {.size = TRAMPFD_INFO_SIZE_V0 - 1};
    CHECK_ERRNO(ask(&now), EINVAL);
    now.size = 0;
    CHECK_ERRNO(ask(&now), EINVAL);
}

TEST(info_with_a_size_above_a_page)
{
    ONE;
    struct trampfd_info now = {.size = (uint32_t)page() + 1};
    CHECK_ERRNO(ask(&now), E2BIG);
    now.size = UINT32_MAX;
    CHECK_ERRNO(ask(&now), E2BIG);
}

TEST(info_for_a_longer_struct_zeroes_the_rest_and_writes_no_more)
{
    ONE;
    unsigned char *at = malloc(2 * page());
    struct trampfd_info now;
    memset(at, 0xaa, 2 * page());
    uint32_t size = 200;
    memcpy(at, &size, 4);
    CHECK(ask(at) == 0);
    memcpy(&now, at, sizeof now);
    CHECK_EQ(now.size, sizeof now);
    for (size_t i = sizeof now; i < 2 * page(); i++)
        CHECK_EQ(at[i], i < 200 ? 0 : 0xaa);
}

TEST(info_into_what_cannot_be_written)
{
    ONE;
    struct trampfd_info *at =
        mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    at->size = sizeof *at;
    CHECK(mprotect(at, page(), PROT_READ) == 0);
    CHECK_ERRNO(ask(at), EFAULT);
    CHECK_ERRNO(ask(NULL), EFAULT);
    CHECK_ERRNO(ask((void *)0xffff888000000000), EFAULT);
}

TEST(pages_are_counted_until_all_is_gone)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.count = 1000; /* 8 pages of 4 KiB of constants, and the code: one that is full, one not */
    uint64_t each = pages_of(&arg);
    CHECK_EQ(user_pages(), 0);
    if (page() == 4096)
        CHECK_EQ(each, 8 + 2);
    int a = create(&arg), b = create(&arg);
    CHECK_EQ(user_pages(), 2 * each);
    CHECK(map(a, &arg) != MAP_FAILED);
    CHECK_EQ(user_pages(), 2 * each);
    close(a); /* still mapped */
    CHECK_EQ(user_pages(), 2 * each);
    close(b);
    CHECK_EQ(user_pages(), each);
}

/* With large pages it takes more tables to reach the limit than a process has descriptors. */
static void become_nobody_with_many_files(void)
{
    const struct rlimit many = {4096, 4096};
    CHECK(setrlimit(RLIMIT_NOFILE, &many) == 0);
    become_nobody();
}

static void as_nobody_up_to_the_limit(void *data_)
{
    (void)data_;
    become_nobody_with_many_files();
    struct trampfd_info now = info();
    CHECK(now.user_limit < ~0ull && now.user_pages == 0);
    struct trampfd_create arg = valid();
    /* A table of n full pages takes n + 1 pages, so no table takes one page. */
    uint64_t most = now.max_count / in_pages(1) + 1;
    static int fds[4096];
    unsigned n = 0;
    for (uint64_t left = now.user_limit; left; n++) {
        uint64_t take = left < most ? left : left == most + 1 ? most - 1 : most;
        CHECK(n < 4096);
        arg.count = in_pages((unsigned)take - 1);
        CHECK_EQ(pages_of(&arg), take);
        fds[n] = create(&arg);
        if (fds[n] < 0)
            FAIL("%llu pages left: %s", (unsigned long long)left, strerrorname(errno));
        left -= take;
    }
    CHECK_EQ(user_pages(), now.user_limit);
    arg.count = 1;
    CHECK_ERRNO(create(&arg), EDQUOT);
    CHECK_EQ(user_pages(), now.user_limit);
    close(fds[0]);
    int fd = create(&arg);
    CHECK(fd >= 0);
    for (unsigned i = 1; i < n; i++)
        close(fds[i]);
    CHECK_EQ(user_pages(), 2);
    close(fd);
    CHECK_EQ(user_pages(), 0);
}

TEST(a_user_who_has_reached_the_limit)
{
    ONE;
    CHECK_EQ(in_child(as_nobody_up_to_the_limit, NULL), PASSED);
}

static void fork_at_the_limit(void *data_)
{
    (void)data_;
    become_nobody_with_many_files();
    struct trampfd_info now = info();
    struct trampfd_create arg = valid();
    arg.count = now.max_count;
    uint64_t before = 0;
    while (create(&arg) >= 0)
        CHECK(++before < 4096);
    CHECK(errno == EDQUOT);
    pid_t pid = fork(); /* the same user in another process */
    if (pid == 0) {
        CHECK_ERRNO(create(&arg), EDQUOT);
        fflush(stdout);
        _exit(0);
    }
    CHECK_EQ(status_of(pid), PASSED);
}

TEST(the_limit_is_the_users_and_not_the_processs)
{
    ONE;
    CHECK_EQ(in_child(fork_at_the_limit, NULL), PASSED);
}

static void in_a_user_namespace(void *data_)
{
    (void)data_;
    become_nobody_with_many_files();
    if (unshare(CLONE_NEWUSER) != 0)
        _exit(77);
    struct trampfd_info there = info();
    CHECK(there.user_limit < ~0ull); /* root there is not root here */
    struct trampfd_create arg = valid();
    arg.count = there.max_count;
    unsigned n = 0;
    while (create(&arg) >= 0)
        CHECK(++n < 4096);
    CHECK(errno == EDQUOT);
}

TEST(a_user_namespace_is_no_way_around_the_limit)
{
    ONE;
    int status = in_child(in_a_user_namespace, NULL);
    if (status == 77)
        ktest_skip("this kernel lets no user make a namespace");
    CHECK_EQ(status, PASSED);
}

static void change_user(void *data_)
{
    (void)data_;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    CHECK_EQ(user_pages(), 2);
    CHECK(setresuid(65534, 65534, 0) == 0);
    CHECK_EQ(user_pages(), 0);
    CHECK(close(fd) == 0); /* root's pages, given back by nobody */
    CHECK(setresuid(0, 0, 0) == 0);
    CHECK_EQ(user_pages(), 0);
}

TEST(pages_are_given_back_to_the_user_who_made_them)
{
    ONE;
    CHECK_EQ(in_child(change_user, NULL), PASSED);
}

TEST(root_has_no_limit)
{
    ONE;
    CHECK_EQ(info().user_limit, ~0ull);
}

TEST(no_free_descriptor_in_the_process)
{
    ONE;
    struct trampfd_create arg = valid();
    int dev = device(), most = dev + 1;
    struct rlimit few = {(rlim_t)most, (rlim_t)most};
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    CHECK_ERRNO(ioctl(dev, TRAMPFD_CREATE, &arg), EMFILE);
    close(dev - 1 > 2 ? dev - 1 : 0);
    int fd = ioctl(dev, TRAMPFD_CREATE, &arg);
    CHECK(fd >= 0);
}

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

static void without_files(void *data_)
{
    struct trampfd_create arg = valid();
    int dev = device();
    (void)data_;
    become_nobody();
    for (unsigned i = 0; i < 5; i++) {
        CHECK_ERRNO(ioctl(dev, TRAMPFD_CREATE, &arg), ENFILE);
    }
}

TEST(no_free_file_in_the_system)
{
    ONE;
    char before[64] = {0};
    static const char knob[] = "/proc/sys/fs/file-max";
    int fd = open(knob, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, before, sizeof before - 1) > 0);
    CHECK(put(knob, "0"));
    int status = in_child(without_files, NULL);
    CHECK(put(knob, before));
    CHECK_EQ(status, PASSED);
}

static const char group[] = "/sys/fs/cgroup/small";

static void until_there_is_no_memory(void *data_)
{
    struct trampfd_create arg = valid();
    unsigned made = 0;
    (void)data_;
    int dev = device(); /* opened before: at the limit open() may start the OOM killer */
    CHECK(put("/sys/fs/cgroup/small/cgroup.procs", "0"));
    arg.count = info().max_count; /* 512 KiB, and a page of code */
    while (made < 200 && ioctl(dev, TRAMPFD_CREATE, &arg) >= 0)
        made++;
    if (made >= 200)
        FAIL("100 MiB of tables in a group that has 24");
    CHECK_EQ(errno, ENOMEM);
    printf("# %u tables of 512 KiB in 24 MiB\n", made);
    CHECK(made > 10);
}

TEST(no_more_memory_in_the_memory_cgroup)
{
    ONE;
    if (!put("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
        ktest_skip("this kernel has no memory controller");
    mkdir(group, 0755);
    CHECK(put("/sys/fs/cgroup/small/memory.max", "25165824"));
    int status = in_child(until_there_is_no_memory, NULL);
    for (unsigned i = 0; i < 100 && rmdir(group) != 0; i++)
        usleep(10000);
    CHECK_EQ(status, PASSED);
}

static long charged(void)
{
    char text[32] = {0};
    int fd = open("/sys/fs/cgroup/small/memory.current", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strtol(text, NULL, 10);
}

static void make_and_close(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        struct table table = make_valid(1 + i % 200);
        probe_call(table.at);
        unmap(&table);
    }
}

static void many_in_a_group(void *data_)
{
    (void)data_;
    CHECK(put("/sys/fs/cgroup/small/cgroup.procs", "0"));
    make_and_close(50);
    long before = charged();
    make_and_close(1000);
    long more = charged() - before;
    printf("# %ld bytes more after 1000 tables\n", more);
    CHECK(more < (long)(512 * page())); /* a page of each would be 4 MiB */
}

/* No tool lists pages that nobody frees, but such pages stay charged. */
TEST(the_memory_cgroup_gets_its_pages_back)
{
    ONE;
    if (!put("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
        ktest_skip("this kernel has no memory controller");
    mkdir(group, 0755);
    int status = in_child(many_in_a_group, NULL);
    for (unsigned i = 0; i < 100 && rmdir(group) != 0; i++)
        usleep(10000);
    CHECK_EQ(status, PASSED);
}

TEST(a_thousand_tables_come_and_go)
{
    ONE;
    int fds = open_fds();
    for (unsigned i = 0; i < 1000; i++) {
        struct table table = make_valid(1 + i % 300);
        probe_call(table.at);
        CHECK_EQ(probe_out[DATA_R], table.arg.data);
        unmap(&table);
    }
    CHECK_EQ(open_fds(), fds);
    CHECK_EQ(user_pages(), 0);
}
