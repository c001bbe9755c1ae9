/* SPDX-License-Identifier: MIT */
/* enforce.h - asks the kernel to enforce control-flow integrity for this thread from now on
 *
 * Always inline and without a call: a function that was called before has no entry on the shadow
 * stack and could not return. So the caller may not return either.
 */
#ifndef ENFORCE_H
#define ENFORCE_H

#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

enum { SHADOW_STACK = 1, LANDING_PADS = 2 };

#if defined __x86_64__
static __attribute__((always_inline)) inline long raw(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

/* Bochs 3.0 loses IA32_U_CET when another process has run (XSAVES, XRSTORS). So none may run,
 * whatever this one's share of the time. */
static inline void run_alone(void)
{
    int priority = 50;
    long limit = raw(SYS_open, (long)"/proc/sys/kernel/sched_rt_runtime_us", 1, 0, 0);
    raw(SYS_write, limit, (long)"-1", 2, 0);
    raw(SYS_sched_setscheduler, 0, 1, (long)&priority, 0); /* SCHED_FIFO */
}

/* ARCH_SHSTK_ENABLE; of landing pads Linux knows nothing, so the bits of IA32_U_CET are set, which
 * the kernel keeps for each thread: ENDBR_EN and NO_TRACK_EN. There is one processor. What is
 * written while the thread's state is not in the registers is lost, so it is looked at again. */
static __attribute__((always_inline)) inline bool enforce(unsigned what)
{
    run_alone();
    if (what & SHADOW_STACK && raw(SYS_arch_prctl, 0x5001, 1, 0, 0))
        return false;
    if (what & LANDING_PADS) {
        unsigned long bits = 0;
        long msr = raw(SYS_open, (long)"/dev/cpu/0/msr", 2, 0, 0);
        do {
            if (raw(SYS_pread64, msr, (long)&bits, 8, 0x6a0) != 8)
                return false;
            bits |= 0x14;
            if (raw(SYS_pwrite64, msr, (long)&bits, 8, 0x6a0) != 8)
                return false;
            raw(SYS_pread64, msr, (long)&bits, 8, 0x6a0);
        } while ((bits & 0x14) != 0x14);
    }
    return true;
}
#else
#if defined __aarch64__
#define NUMBER "x8"
#define WORD(n) "x" #n
#define TRAP "svc 0"
#elif defined __riscv
#define NUMBER "a7"
#define WORD(n) "a" #n
#define TRAP "ecall"
#endif
static __attribute__((always_inline)) inline long raw(long number, long a, long b, long c, long d)
{
    register long call __asm__(NUMBER) = number;
    register long first __asm__(WORD(0)) = a;
    register long second __asm__(WORD(1)) = b;
    register long third __asm__(WORD(2)) = c;
    register long fourth __asm__(WORD(3)) = d;
    register long fifth __asm__(WORD(4)) = 0;
    __asm__ volatile(TRAP
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth)
                     : "memory");
    return first;
}

/* PR_SET_SHADOW_STACK_STATUS, and RISC-V's PR_SET_CFI for landing pads; AArch64's are on where
 * pages are mapped with PROT_BTI. */
static __attribute__((always_inline)) inline bool enforce(unsigned what)
{
    if (what & SHADOW_STACK && raw(SYS_prctl, 75, 1, 0, 0))
        return false;
#ifdef __riscv
    if (what & LANDING_PADS && raw(SYS_prctl, 81, 0, 1, 0))
        return false;
#endif
    return true;
}
#endif

/* What the words name: "none", "stack", "pads" or "stack,pads". */
static inline unsigned to_enforce(const char *words)
{
    return (strstr(words, "stack") ? SHADOW_STACK : 0) | (strstr(words, "pads") ? LANDING_PADS : 0);
}

#endif
