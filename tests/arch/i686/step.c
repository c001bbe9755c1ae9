/* SPDX-License-Identifier: MIT */
/* step.c - i386: is the caller found from every instruction of a trampoline?
 *
 * The stack moves inside a trampoline, and its description computes where the frame is from the
 * place (arch.h). So a trampoline is run with the trap flag set, and at each instruction on the way
 * to the slot's entry the unwinder must come to the function that called, with the stack pointer
 * that it had.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "probe.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <ucontext.h>
#include <unwind.h>

static uintptr_t callers_sp; /* at the call; 0 as long as nobody has said */
static unsigned steps;       /* instructions looked at */
static unsigned lost;        /* those from which the caller was not found */

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *found)
{
    void *here = (void *)_Unwind_GetIP(context);
    if (_Unwind_FindEnclosingFunction(here) != (void *)probe_step)
        return _URC_NO_REASON;
    *(uintptr_t *)found = _Unwind_GetCFA(context);
    return _URC_NORMAL_STOP;
}

/* The first step is at the call in the caller, and tells which caller the unwinder must find at
 * every later step, until a step is in the caller again. */
static void on_step(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    const ucontext_t *at = context;
    uintptr_t sp = 0;
    _Unwind_Backtrace(look, &sp);
    if (!callers_sp)
        callers_sp = sp;
    else if (_Unwind_FindEnclosingFunction((void *)at->uc_mcontext.gregs[REG_EIP]) ==
             (void *)probe_step)
        return;
    steps++;
    if (!sp || sp != callers_sp)
        lost++;
}

/* Give how many instructions of `code`, an address of a slot whose entry is probe_self, were looked
 * at, or 0 when one of them was not unwound. */
unsigned probe_steps(void *code)
{
    struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, before;
    sigaction(SIGTRAP, &act, &before);
    callers_sp = 0;
    steps = lost = 0;
    probe_step(code);
    sigaction(SIGTRAP, &before, NULL);
    if (lost)
        printf("%u of %u instructions were not unwound\n", lost, steps);
    return callers_sp && !lost ? steps : 0;
}
