/* SPDX-License-Identifier: MIT */
/* process.c - fork, exec, other processes, and processes that have given rights away
 *
 * A table belongs to the address space that made it: another process can only close its descriptor.
 * A mapping of a table is inherited like any other mapping.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "table.h"

static void intact(const struct table *table)
{
    check_bytes(table);
    check_calls(table);
}

static void use(void *table)
{
    intact(table);
}

static void use_and_unmap(void *table)
{
    struct table *own = table;
    intact(own);
    CHECK_ERRNO(mprotect(own->at, own->size, PROT_READ | PROT_WRITE), EACCES);
    CHECK_ERRNO(mprotect(own->at - own->size, own->size, PROT_READ | PROT_EXEC), EACCES);
    CHECK_ERRNO(munmap(own->at, page()), EINVAL);
    CHECK(madvise(own->at - own->size, 2 * own->size, MADV_DONTNEED) == 0);
    intact(own);
    unmap(own);
}

TEST(a_forked_child_has_the_mapping)
{
    ONE;
    struct table table = make_valid(in_pages(3));
    CHECK_EQ(in_child(use, &table), PASSED);
}

TEST(a_child_that_unmaps_leaves_its_parents_mapping)
{
    ONE;
    struct table table = make_valid(in_pages(3));
    CHECK_EQ(in_child(use_and_unmap, &table), PASSED);
    intact(&table);
    CHECK_EQ(user_pages(), 3 + 1);
}

TEST(a_parent_that_unmaps_leaves_its_childs_mapping)
{
    ONE;
    int go[2];
    char byte;
    struct table table = make_valid(in_pages(3));
    CHECK(pipe(go) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(read(go[0], &byte, 1) == 1);
        intact(&table);
        CHECK_EQ(user_pages(), 3 + 1);
        unmap(&table);
        fflush(stdout);
        _exit(0);
    }
    unmap(&table);
    CHECK(write(go[1], "x", 1) == 1);
    CHECK_EQ(status_of(pid), PASSED);
    CHECK_EQ(user_pages(), 0);
}

static void grandchild(void *table)
{
    CHECK_EQ(in_child(use_and_unmap, table), PASSED);
    intact(table);
}

TEST(a_grandchild_has_it_too)
{
    ONE;
    struct table table = make_valid(in_pages(3));
    CHECK_EQ(in_child(grandchild, &table), PASSED);
    intact(&table);
}

/* Where nothing is, in this program nor in another of its kind. */
static void *far_away(void)
{
    return (void *)(uintptr_t)(sizeof(void *) == 8 ? 1ull << 43 : 0x60000000);
}

static void move(void *table)
{
    struct table *own = table;
    const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
    void *to = far_away();
    CHECK(mremap(own->at, own->size, own->size, how, to) == MAP_FAILED);
    CHECK(mremap(own->at - own->size, own->size, own->size, how, to) == MAP_FAILED);
    intact(own);
}

TEST(a_child_cannot_move_a_table)
{
    ONE;
    struct trampfd_create arg = valid_compact(3 * (unsigned)page() / 16);
    struct table table = make(&arg);
    CHECK_EQ(in_child(move, &table), PASSED);
}

struct unmapped {
    struct trampfd_create arg;
    int fd;
};

static void map_foreign(void *data_)
{
    struct unmapped *one = data_;
    CHECK_ERRNO(map(one->fd, &one->arg), EPERM);
    unsigned char *at = reserve(&one->arg);
    CHECK_ERRNO(map_code(one->fd, &one->arg, at), EPERM);
}

/* The child has inherited the constants, but may not map the code. */
static void map_code_foreign(void *data_)
{
    struct table *one = data_;
    CHECK_ERRNO(map_code(one->fd, &one->arg, one->at), EPERM);
}

TEST(a_forked_child_cannot_map_the_code_behind_its_parents_constants)
{
    ONE;
    struct table one = {.arg = valid()};
    one.fd = create(&one.arg);
    one.at = reserve(&one.arg);
    CHECK(map_constants(one.fd, &one.arg, one.at) != MAP_FAILED);
    CHECK_EQ(in_child(map_code_foreign, &one), PASSED);
    CHECK(map_code(one.fd, &one.arg, one.at) == one.at);
}

TEST(a_forked_child_cannot_map_what_its_parent_made)
{
    ONE;
    struct unmapped one = {.arg = valid()};
    one.fd = create(&one.arg);
    CHECK_EQ(in_child(map_foreign, &one), PASSED);
    CHECK(map(one.fd, &one.arg) != MAP_FAILED);
}

static void create_own(void *arg)
{
    struct table own = make(arg);
    intact(&own);
}

TEST(a_forked_child_makes_its_own)
{
    ONE;
    struct trampfd_create arg = valid();
    struct table table = make(&arg);
    CHECK_EQ(in_child(create_own, &arg), PASSED);
    intact(&table);
}

static int dev_of_parent;

static void create_by_inherited_device(void *arg)
{
    struct table own = {.arg = *(struct trampfd_create *)arg};
    own.fd = ioctl(dev_of_parent, TRAMPFD_CREATE, arg);
    CHECK(own.fd >= 0);
    own.size = map_size(&own.arg);
    own.at = map(own.fd, &own.arg);
    CHECK(own.at != MAP_FAILED);
    intact(&own);
}

TEST(a_device_opened_by_another_process_makes_the_callers_tables)
{
    ONE;
    struct trampfd_create arg = valid();
    dev_of_parent = device();
    CHECK_EQ(in_child(create_by_inherited_device, &arg), PASSED);
}

static void send_fd(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 0;
    struct iovec io = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(sendmsg(socket, &message, 0) == 1);
}

static int receive_fd(int socket)
{
    int fd;
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte;
    struct iovec io = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

TEST(a_descriptor_sent_to_another_process_cannot_be_mapped_there)
{
    ONE;
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct trampfd_create arg = valid();
        struct unmapped one = {arg, receive_fd(sockets[1])};
        map_foreign(&one);
        send_fd(sockets[1], one.fd);
        fflush(stdout);
        _exit(0);
    }
    struct trampfd_create arg = valid();
    send_fd(sockets[0], create(&arg));
    int back = receive_fd(sockets[0]);
    CHECK_EQ(status_of(pid), PASSED);
    CHECK(map(back, &arg) != MAP_FAILED); /* it came home */
}

/* A new address space does not own the table, even if its mm_struct has the same address. */
TEST(a_table_of_a_process_that_has_ended_cannot_be_mapped_by_any)
{
    ONE;
    int sockets[2];
    struct unmapped one = {.arg = valid()};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        send_fd(sockets[1], create(&one.arg));
        _exit(0);
    }
    one.fd = receive_fd(sockets[0]);
    CHECK_EQ(status_of(pid), PASSED);
    map_foreign(&one);
    for (unsigned i = 0; i < 30; i++)
        CHECK_EQ(in_child(map_foreign, &one), PASSED);
    CHECK(close(one.fd) == 0);
}

static const char *const self[] = {"/proc/self/exe", "--as-child", NULL, NULL, NULL};

static void exec_as(const char *name, const char *argument)
{
    const char *words[5];
    memcpy(words, self, sizeof words);
    words[2] = name;
    words[3] = argument;
    execv(words[0], (char **)words);
    FAIL("exec: %s", strerrorname(errno));
}

int as_child(const char *name, const char *argument)
{
    long value = argument ? strtol(argument, NULL, 0) : 0;
    if (!strcmp(name, "map")) {
        struct unmapped one = {valid(), (int)value};
        map_foreign(&one);
    } else if (!strcmp(name, "nothing-there")) {
        unsigned char there[1];
        CHECK_ERRNO(mincore((void *)value, page(), there), ENOMEM);
        CHECK_EQ(user_pages(), 0);
    } else if (!strcmp(name, "use")) {
        struct table table = make_valid(in_pages(3));
        intact(&table);
    } else {
        FAIL("no %s", name);
    }
    return 0;
}

static void exec_map(void *data_)
{
    struct unmapped *one = data_;
    char number[16];
    one->fd = create(&one->arg);
    CHECK(fcntl(one->fd, F_SETFD, 0) == 0);
    snprintf(number, sizeof number, "%d", one->fd);
    exec_as("map", number);
}

TEST(after_exec_the_descriptor_cannot_be_mapped)
{
    ONE;
    struct unmapped one = {.arg = valid()};
    CHECK_EQ(in_child(exec_map, &one), PASSED);
}

static void exec_nothing(void *data_)
{
    char number[32];
    struct table table = {.arg = valid()};
    (void)data_;
    table.fd = create(&table.arg);
    table.at = far_away();
    CHECK(map_constants(table.fd, &table.arg, table.at) != MAP_FAILED);
    CHECK(map_code(table.fd, &table.arg, table.at) == table.at);
    snprintf(number, sizeof number, "%#lx", (long)table.at);
    exec_as("nothing-there", number);
}

TEST(after_exec_the_mapping_is_gone)
{
    ONE;
    CHECK_EQ(in_child(exec_nothing, NULL), PASSED);
}

static void exec_use(void *data_)
{
    (void)data_;
    exec_as("use", "0");
}

TEST(after_exec_new_tables_are_made)
{
    ONE;
    CHECK_EQ(in_child(exec_use, NULL), PASSED);
}

static void nobody(void *arg)
{
    become_nobody();
    create_own(arg);
}

TEST(any_user_may_make_tables)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.count = 300;
    CHECK_EQ(in_child(nobody, &arg), PASSED);
}

static int share_memory(void *data_)
{
    struct unmapped *one = data_;
    struct table table = {.arg = one->arg, .fd = one->fd, .size = map_size(&one->arg)};
    table.at = map(one->fd, &one->arg);
    CHECK(table.at != MAP_FAILED);
    check_bytes(&table);
    fflush(stdout);
    _exit(0);
}

/* Ownership is the address space's: another task in it, with a pid of its own, may map. */
TEST(a_task_that_shares_the_memory_may_map)
{
    ONE;
    static char stack[1 << 16] __attribute__((aligned(16)));
    struct unmapped one = {.arg = valid()};
    one.fd = create(&one.arg);
    pid_t pid = clone(share_memory, stack + sizeof stack, CLONE_VM | SIGCHLD, &one);
    CHECK_EQ(status_of(pid), PASSED);
    CHECK_ERRNO(map(one.fd, &one.arg), EBUSY);
}

static void deny_write_execute(void *data_)
{
    (void)data_;
    if (prctl(65, 1, 0, 0, 0) != 0) /* PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN */
        _exit(77);
    struct table table = make_valid(in_pages(3));
    intact(&table);
    CHECK(mprotect(table.at, table.size, PROT_READ) == 0);
    CHECK_ERRNO(mprotect(table.at, table.size, PROT_READ | PROT_EXEC), EACCES);
    CHECK_ERRNO(mprotect(table.at - table.size, table.size, PROT_READ | PROT_EXEC), EACCES);
}

TEST(under_memory_deny_write_execute)
{
    ONE;
    int status = in_child(deny_write_execute, NULL);
    if (status == 77)
        ktest_skip("this kernel has no PR_SET_MDWE (6.3 on)");
    CHECK_EQ(status, PASSED);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define WHEN_EQUAL_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, n, 0)

static void filter(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#ifdef SYS_mmap2 /* what mmap() is on 32-bit machines */
#define MMAP SYS_mmap2
#else
#define MMAP SYS_mmap
#endif

/* The policy itself: to ask for memory that is writable and executable kills, not refuses. */
static void kill_writable_executable(void *data_)
{
    struct sock_filter code[] = {
        LOAD(nr),
        WHEN_EQUAL_SKIP(MMAP, 2),
        WHEN_EQUAL_SKIP(SYS_mprotect, 1),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 3),
        LOAD(args[2]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 6), /* kills, see above */
        WHEN_EQUAL_SKIP(6, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    (void)data_;
    filter(code, sizeof code / sizeof *code);
    struct table table = make_valid(4096);
    intact(&table);
    struct trampfd_create arg = valid_compact(4096);
    table = make(&arg);
    intact(&table);
}

TEST(under_a_filter_that_kills_who_asks_for_both)
{
    ONE;
    CHECK_EQ(in_child(kill_writable_executable, NULL), PASSED);
}

static void refuse_ioctl(void *data_)
{
    struct sock_filter code[] = {
        LOAD(nr),
        WHEN_EQUAL_SKIP(SYS_ioctl, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct trampfd_create arg = valid();
    (void)data_;
    filter(code, sizeof code / sizeof *code);
    CHECK_ERRNO(create(&arg), EPERM);
}

TEST(a_filter_can_refuse_the_ioctl)
{
    ONE;
    CHECK_EQ(in_child(refuse_ioctl, NULL), PASSED);
}

TEST(a_child_without_the_mapping_when_asked)
{
    ONE;
    struct table table = make_valid(in_pages(3));
    CHECK(madvise(table.at - table.size, 2 * table.size, MADV_DONTFORK) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        unsigned char there[3];
        CHECK_ERRNO(mincore(table.at, table.size, there), ENOMEM);
        fflush(stdout);
        _exit(0);
    }
    CHECK_EQ(status_of(pid), PASSED);
    intact(&table);
    (void)madvise(table.at - table.size, 2 * table.size, MADV_DOFORK);
    intact(&table);
}

TEST(a_process_killed_while_it_makes_a_large_table_leaves_nothing)
{
    ONE;
    for (unsigned i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct trampfd_create arg = valid();
            arg.count = info().max_count;
            for (;;)
                close(create(&arg));
        }
        usleep(1000 + i * 700);
        kill(pid, SIGKILL);
        CHECK_EQ(status_of(pid), KILLED + SIGKILL);
    }
}
