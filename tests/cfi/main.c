/* SPDX-License-Identifier: MIT */
/* main.c - a program of this tree, whose main() was compiled as program_main(), with enforcement
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
#define program_main Py_BytesMain
#else
int program_main(int argc, char **argv);
#endif

int main(int argc, char **argv)
{
    if (argc < 2 || !enforce(to_enforce(argv[1]))) {
        fputs("the kernel does not enforce it\n", stderr);
        return 4;
    }
    argv[1] = argv[0];
    exit(program_main(argc - 1, argv + 1)); /* this function cannot return any more */
}
