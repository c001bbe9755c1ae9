/* SPDX-License-Identifier: MIT */
/* writes.c - every way to write into memory that is not writable, tried on a table
 *
 * A debugger may write to read-only text, because the kernel makes a copy of the page. Nobody may
 * write to a table, neither root nor the process itself. Reading is allowed, so gdb can show a
 * table.
 */
#include <fcntl.h>
#include <signal.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "table.h"

static void intact(const struct table *table)
{
    check_bytes(table);
    check_calls(table);
}

static void store(void *at)
{
    *(volatile unsigned char *)at = 0;
}

TEST(a_store_is_a_segmentation_fault)
{
    ONE;
    struct table table = make_valid(1);
    CHECK_EQ(in_child(store, table.at), KILLED + SIGSEGV);
    CHECK_EQ(in_child(store, table.at - page()), KILLED + SIGSEGV);
    intact(&table);
}

TEST(proc_self_mem_cannot_write)
{
    ONE;
    unsigned char byte = 0;
    struct table table = make_valid(1);
    int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    CHECK(mem >= 0);
    CHECK_ERRNO(pwrite(mem, "x", 1, (off_t)(uintptr_t)table.at), EIO);
    CHECK_ERRNO(pwrite(mem, "x", 1, (off_t)(uintptr_t)table.at + 100), EIO);
    CHECK_ERRNO(pwrite(mem, "x", 1, (off_t)(uintptr_t)table.at - 100), EIO);
    CHECK(pread(mem, &byte, 1, (off_t)(uintptr_t)table.at) == 1 && byte == table.at[0]);
    intact(&table);
}

/* The child made a table, says where by its exit data, and stops to be looked at. */
static pid_t traced(struct table *table)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct table own = make_valid(1);
        probe_in[0] = (uintptr_t)own.at;
        CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        intact(&own);
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    errno = 0;
    table->at = (unsigned char *)ptrace(PTRACE_PEEKDATA, pid, &probe_in[0], 0);
    CHECK(errno == 0 && table->at);
    return pid;
}

TEST(ptrace_reads_but_cannot_write)
{
    ONE;
    struct table table = {.at = NULL};
    pid_t pid = traced(&table);
    errno = 0;
    CHECK(ptrace(PTRACE_PEEKTEXT, pid, table.at, 0) != -1 || errno == 0);
    CHECK_ERRNO(ptrace(PTRACE_POKETEXT, pid, table.at, (void *)-1L), EIO);
    CHECK_ERRNO(ptrace(PTRACE_POKEDATA, pid, table.at + 8, (void *)0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_POKEDATA, pid, table.at - 8, (void *)0), EIO);
    CHECK(ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
    CHECK_EQ(status_of(pid), 0);
}

TEST(proc_pid_mem_of_a_traced_process_cannot_write)
{
    ONE;
    char name[64];
    struct table table = {.at = NULL};
    pid_t pid = traced(&table);
    snprintf(name, sizeof name, "/proc/%d/mem", pid);
    int mem = open(name, O_RDWR | O_CLOEXEC);
    CHECK(mem >= 0);
    CHECK_ERRNO(pwrite(mem, "x", 1, (off_t)(uintptr_t)table.at), EIO);
    CHECK(ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
    CHECK_EQ(status_of(pid), 0);
}

TEST(process_vm_writev_cannot_write)
{
    ONE;
    unsigned char bytes[16] = {0};
    struct table table = make_valid(1);
    struct iovec here = {bytes, 16}, there = {table.at, 16}, constants = {table.at - 16, 16};
    CHECK_ERRNO(process_vm_writev(getpid(), &here, 1, &there, 1, 0), EFAULT);
    CHECK_ERRNO(process_vm_writev(getpid(), &here, 1, &constants, 1, 0), EFAULT);
    CHECK(process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 16);
    CHECK(memcmp(bytes, table.at, 16) == 0);
    intact(&table);
}

TEST(process_vm_writev_into_another_process_cannot_write)
{
    ONE;
    unsigned char bytes[16] = {0};
    struct table table = {.at = NULL};
    pid_t pid = traced(&table);
    struct iovec here = {bytes, 16}, there = {table.at, 16};
    CHECK_ERRNO(process_vm_writev(pid, &here, 1, &there, 1, 0), EFAULT);
    CHECK(ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
    CHECK_EQ(status_of(pid), 0);
}

TEST(a_system_call_cannot_write_into_a_table)
{
    ONE;
    int pipes[2];
    struct table table = make_valid(1);
    CHECK(pipe(pipes) == 0 && write(pipes[1], "abcd", 4) == 4);
    CHECK_ERRNO(read(pipes[0], table.at, 4), EFAULT);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_ERRNO(pread(file, table.at, 4, 0), EFAULT);
    CHECK_ERRNO(pread(file, table.at - 16, 4, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_futex, table.at, FUTEX_WAKE_OP_PRIVATE, 1, 1, table.at + 4,
                        FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)),
                EFAULT);
    CHECK_ERRNO(syscall(SYS_getrandom, table.at, 16, 0), EFAULT);
    intact(&table);
}

static void leave_tid_in(void *table)
{
    syscall(SYS_set_tid_address, ((struct table *)table)->at);
}

TEST(an_exiting_thread_cannot_write_into_a_table)
{
    ONE;
    struct table table = make_valid(1);
    CHECK_EQ(in_child(leave_tid_in, &table), PASSED);
    intact(&table);
}

TEST(pages_of_a_table_given_to_a_pipe_are_not_written_through_it)
{
    ONE;
    int pipes[2];
    char byte = 0;
    struct table table = make_valid(1);
    struct iovec there = {table.at, 16};
    CHECK(pipe(pipes) == 0);
    ssize_t gave = vmsplice(pipes[1], &there, 1, 0x8);
    CHECK(write(pipes[1], "zzzz", 4) == 4);
    while (gave-- > 0)
        CHECK(read(pipes[0], &byte, 1) == 1);
    intact(&table);
}

static void crash(void *table)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_CORE, &all) == 0 && chdir("/tmp") == 0);
    ((struct table *)table)->fd = 0;
    abort();
}

TEST(a_core_dump_of_a_process_with_a_table)
{
    ONE;
    struct table table = make_valid(1000);
    int status = in_child(crash, &table);
    CHECK_EQ(status, KILLED + SIGABRT);
    intact(&table);
}
