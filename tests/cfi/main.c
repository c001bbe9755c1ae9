/* SPDX-License-Identifier: MIT */
/* main.c - runs before the main() of a program of this tree (-Wl,--wrap=main), and enforces
 *
 *     program none|stack [argument ...]
 *
 * -DPYTHON: the program is Python.
 */
#include "enforce.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef PYTHON
int Py_BytesMain(int argc, char **argv);
#define __real_main Py_BytesMain
#define __wrap_main main
#else
int __real_main(int argc, char **argv);
#endif

int __wrap_main(int argc, char **argv);
int __wrap_main(int argc, char **argv)
{
    if (argc < 2 || !enforce(to_enforce(argv[1]))) {
        fputs("the kernel does not enforce it\n", stderr);
        return 4;
    }
    argv[1] = argv[0];
    exit(__real_main(argc - 1, argv + 1)); /* this function cannot return any more */
}
