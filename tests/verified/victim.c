/* SPDX-License-Identifier: MIT */
/* victim.c - the program that attacks.c copies and runs; stops itself for the witness to see it */
#include <signal.h>

int main(void)
{
    return raise(SIGSTOP);
}
