/* SPDX-License-Identifier: MIT */
/* check.c - reports of failed checks, and waiting for children
 *
 * Apart from ktest.c, because the fuzzer uses the same checks and has no list of tests.
 */
#include "ktest.h"
#include <stdarg.h>
#include <sys/wait.h>

const char *strerrorname(int number)
{
    const char *name = strerrorname_np(number);
    return name ? name : "unknown";
}

void ktest_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    const char *slash = strrchr(file, '/');
    printf("# %s:%d: ", slash ? slash + 1 : file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

void ktest_skip(const char *format, ...)
{
    va_list args;
    printf("# SKIP ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(SKIPPED);
}

int status_of(pid_t pid)
{
    int status = 0;
    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED + WTERMSIG(status);
}

int in_child(void (*body)(void *), void *data)
{
    pid_t pid = fork();
    if (pid == 0) {
        body(data);
        fflush(stdout);
        _exit(0);
    }
    return status_of(pid);
}
