/* SPDX-License-Identifier: MIT */
/* main.c - runs before the main() of a program of this tree (-Wl,--wrap=main), and enforces
 *
 *     program none|stack [argument ...]
 *
 * At the program's end it makes a mistake, which must be caught: all must still be enforced. Then
 * its last line is "enforced to the end", and its status is the program's.
 *
 * -DPYTHON: the program is Python.
 */
#include "enforce.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef PYTHON
int Py_BytesMain(int argc, char **argv);
#define __real_main Py_BytesMain
#define __wrap_main main
#else
int __real_main(int argc, char **argv);
#endif

static int end_status;

static void end(const char *text, int status)
{
    raw(SYS_write, 1, (long)text, (long)strlen(text), 0);
    raw(SYS_exit_group, status, 0, 0, 0);
}

static void caught(int number)
{
    (void)number;
    end("enforced to the end\n", end_status);
}

static void lost(void)
{
    end("not enforced any more\n", 5);
}

/* Its frame begins with the caller's frame pointer and the return address. */
static __attribute__((noinline)) void return_elsewhere(void)
{
    void *volatile *frame = __builtin_frame_address(0);
    frame[1] = (void *)(uintptr_t)lost;
#ifdef __aarch64__
    __asm__ volatile("" : : : "x30", "memory"); /* so that it is saved */
#endif
}

static void at_end(int status, void *unused)
{
    (void)unused;
    fflush(stdout);
    end_status = status;
    signal(SIGSEGV, caught);
    signal(SIGILL, caught);
    return_elsewhere();
}

int __wrap_main(int argc, char **argv);
int __wrap_main(int argc, char **argv)
{
    unsigned what = to_enforce(argc > 1 ? argv[1] : "");
    if (what)
        on_exit(at_end, NULL);
    if (argc < 2 || !enforce(what)) {
        end("the kernel does not enforce it\n", 4);
    }
    argv[1] = argv[0];
    exit(__real_main(argc - 1, argv + 1)); /* this function cannot return any more */
}
