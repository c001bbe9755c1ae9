/* SPDX-License-Identifier: MIT */
/* fresh.c - run callbench again as a fresh process, and count the system calls between two marks
 *
 * Memory and the first closure must be measured in a process that has not used any rival yet. The
 * system calls are counted with ptrace. Where ptrace is not allowed, the caller gets -errno and
 * says "not measured".
 */
#define _GNU_SOURCE
#include "bench.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: exec ourselves with the same libraries and `--child what --only rival`. */
static void become(struct settings *s, const char *what, const struct rival *r, long n)
{
    char number[24];
    int argc = 0;
    while (s->argv[argc])
        argc++;
    char **argv = calloc((size_t)argc + 8, sizeof *argv);
    if (!argv)
        _exit(127);
    memcpy(argv, s->argv, (size_t)argc * sizeof *argv);
    snprintf(number, sizeof number, "%ld", n);
    char *more[] = {"--child", (char *)what, "--only", r->name, "--closures", number};
    memcpy(argv + argc, more, sizeof more);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static pid_t start(struct settings *s, const char *what, const struct rival *r, long n, bool traced,
                   int *output)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(126);
        become(s, what, r, n);
    }
    close(ends[1]);
    *output = ends[0];
    return pid;
}

int fresh_run(struct settings *s, const char *what, const struct rival *r, long n, double *out,
              int max)
{
    int fd, status = 0, count = 0;
    pid_t pid = start(s, what, r, n, false, &fd);
    if (pid < 0) {
        perror("callbench: cannot start a fresh process");
        return -1;
    }
    FILE *f = fdopen(fd, "r");
    while (count < max && fscanf(f, "%lf", &out[count]) == 1)
        count++;
    fclose(f);
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "callbench: the fresh process for '%s' (%s) ended with status 0x%x\n",
                r->name, what, (unsigned)status);
        return -1;
    }
    return count;
}

#ifdef PTRACE_GET_SYSCALL_INFO
/* The number of the system call that `pid` is entering, or -1 at any other stop. */
static long entered(pid_t pid, int status)
{
    struct ptrace_syscall_info info;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
        return -1;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) < 0)
        return -1;
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

int fresh_count_syscalls(struct settings *s, const struct rival *r, long *syscalls, int max,
                         int *count)
{
    int fd, status, marks = 0;
    pid_t pid = start(s, "first-marked", r, 1, true, &fd);
    if (pid < 0)
        return *count = -errno;
    *count = 0;
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
        close(fd);
        return *count = -EPERM;
    }
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0) {
        if (waitpid(pid, &status, 0) < 0 || WIFEXITED(status) || WIFSIGNALED(status))
            break;
        long nr = entered(pid, status);
        if (nr == MARK_SYSCALL)
            marks++;
        else if (nr >= 0 && marks == 1 && (*count)++ < max)
            syscalls[*count - 1] = nr;
    }
    close(fd);
    if (marks != 2)
        *count = -EPROTO;
    return *count;
}
#else
int fresh_count_syscalls(struct settings *s, const struct rival *r, long *syscalls, int max,
                         int *count)
{
    (void)s, (void)r, (void)syscalls, (void)max;
    return *count = -ENOSYS;
}
#endif
