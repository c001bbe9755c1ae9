/* SPDX-License-Identifier: MIT */
/* deny.c - runs a command under the policies of a hardened system
 *
 *   deny POLICY... -- COMMAND...
 *
 *   mdwe   PR_SET_MDWE: no memory becomes executable that was not so from the start
 *   wx     seccomp kills a process that asks mmap or mprotect for writable and executable memory
 *   memfd  seccomp refuses memfd_create with ENOSYS, as a kernel does that has none
 *   proc   /proc is an empty directory
 *
 * All of them are inherited by fork and exec, so a whole `make check` can run below. Each is
 * tried out before the command starts: a policy that is not in force would make a test pass that
 * tests nothing. Exit status 77, with the reason: the system has no such policy; 2: wrong usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)

__attribute__((format(printf, 1, 2), noreturn)) static void cannot(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("deny: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, ": %s\n", strerror(errno));
    exit(77);
}

static void filter(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        cannot("no seccomp filter");
}

static void deny_mdwe(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
        cannot("no PR_SET_MDWE (Linux 6.3 has it)");
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0)
        cannot("PR_SET_MDWE is not in force");
}

static void deny_wx(void)
{
    /* The filter kills a process that asks for both. */
    const unsigned wx = PROT_WRITE | PROT_EXEC;
    struct sock_filter code[] = {
        LOAD(nr),
        IF_EQUAL(SYS_mmap, 3, 0),
        IF_EQUAL(SYS_mprotect, 2, 0),
        IF_EQUAL(SYS_pkey_mprotect, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(args[2]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, wx),
        IF_EQUAL(wx, 0, 1),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        RETURN(SECCOMP_RET_ALLOW),
    };
    filter(code, sizeof code / sizeof *code);
    pid_t child = fork();
    if (child == 0) { /* has to be killed */
        mmap(NULL, 4096, (int)wx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
        cannot("the seccomp filter does not kill");
}

static void deny_memfd(void)
{
    struct sock_filter code[] = {
        LOAD(nr),
        IF_EQUAL(SYS_memfd_create, 0, 1),
        RETURN(SECCOMP_RET_ERRNO | ENOSYS),
        RETURN(SECCOMP_RET_ALLOW),
    };
    filter(code, sizeof code / sizeof *code);
    if (memfd_create("deny", 0) >= 0)
        cannot("memfd_create still works");
}

static void deny_proc(void)
{
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
        cannot("no mount namespace (root, or unprivileged user namespaces)");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/proc", "tmpfs", MS_RDONLY, "size=4k"))
        cannot("cannot hide /proc");
    if (access("/proc/self", F_OK) == 0)
        cannot("/proc is still there");
}

static const struct policy {
    const char *name;
    void (*deny)(void);
} policies[] = {{"proc", deny_proc}, {"memfd", deny_memfd}, {"wx", deny_wx}, {"mdwe", deny_mdwe}};
enum { POLICIES = sizeof policies / sizeof *policies };

static void usage(void)
{
    fputs("usage: deny mdwe|wx|memfd|proc... -- command...\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    int wanted[POLICIES] = {0}, i = 1;
    for (; i < argc && strcmp(argv[i], "--"); i++) {
        int p = 0;
        while (p < POLICIES && strcmp(argv[i], policies[p].name))
            p++;
        if (p == POLICIES)
            usage();
        wanted[p] = 1;
    }
    if (i < 2 || i + 1 >= argc)
        usage();
    for (int p = 0; p < POLICIES; p++) /* mounting comes before what forbids it */
        if (wanted[p])
            policies[p].deny();
    execvp(argv[i + 1], argv + i + 1);
    cannot("cannot run %s", argv[i + 1]);
}
