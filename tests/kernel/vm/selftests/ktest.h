/* SPDX-License-Identifier: MIT */
/* ktest.h - tests of the module, in the manner of the kernel's own selftests
 *
 * A test is one behaviour. Each test runs in a child in a session of its own, so a crash is one
 * failure, and processes that the test leaves running are killed. After each test, its user must
 * have no more pages in tables than before: a leak is a failure of that test. The output is TAP.
 * The program runs all tests, or those whose name contains one of its arguments.
 */
#ifndef KTEST_H
#define KTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

void ktest_add(const char *name, void (*run)(unsigned), unsigned n);
#define TEST_(name, n)                                                                             \
    static void name(unsigned);                                                                    \
    __attribute__((constructor)) static void add_##name(void)                                      \
    {                                                                                              \
        ktest_add(#name, name, n);                                                                 \
    }                                                                                              \
    static void name(unsigned which)
#define TEST(name) TEST_(name, 0) /* which is unused */
/* `n` tests from one body: it gets 0 .. n-1, and they are called name.0, name.1, ... */
#define TEST_FOR(name, n) TEST_(name, n)
#define ONE (void)which

_Noreturn void ktest_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void ktest_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FAIL(...) ktest_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            FAIL("does not hold: %s (errno %d %s)", #cond, errno, strerrorname(errno));            \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);             \
        if (a_ != b_)                                                                              \
            FAIL("%s is %#llx, not %s = %#llx", #a, a_, #b, b_);                                   \
    } while (0)
/* `call` gives -1 (or MAP_FAILED) and that errno. */
#define CHECK_ERRNO(call, number)                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long r_ = (long)(call);                                                                    \
        if (r_ != -1 || errno != (number))                                                         \
            FAIL("%s gives %ld with errno %s, not %s", #call, r_, strerrorname(errno), #number);   \
    } while (0)

const char *strerrorname(int number);
/* Run `body` in a child; its exit status, or 1000 + the signal that ended it. */
int in_child(void (*body)(void *), void *data);
/* The status of a child that the test forked itself. */
int status_of(pid_t pid);
enum { PASSED = 0, SKIPPED = 77, KILLED = 1000 };

#endif /* KTEST_H */
