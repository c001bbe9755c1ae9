/* SPDX-License-Identifier: MIT */
/* seccomp.c - the filters of seccomp.h, as BPF
 *
 * A program of BPF looks at one `struct seccomp_data`: the call's number and its arguments, of
 * which it can load 32 bits at a time (the low half comes first, on the little-endian machines
 * that we run on).
 */
#include "harness.h"
#include "seccomp.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define AND(mask) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)
/* Go on with the next instruction if equal, else skip `n`. */
#define UNLESS_EQUAL_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, n)

static void install(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, code};
    if (test_emulated())
        test_skip("qemu-user has no filters of system calls");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return;
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0); /* without root */
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

void seccomp_kill_writable_executable(void)
{
    const unsigned wx = PROT_WRITE | PROT_EXEC;
    struct sock_filter code[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_MMAP, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(args[2]),
        AND(wx),
        UNLESS_EQUAL_SKIP(wx, 1),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        RETURN(SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

/* `listed` for these calls, `others` for the rest. */
static void by_call(const int *calls, size_t count, unsigned listed, unsigned others)
{
    struct sock_filter code[64];
    size_t n = 0;
    CHECK(count > 0 && 2 * count + 2 < sizeof code / sizeof *code);
    code[n++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)UNLESS_EQUAL_SKIP((unsigned)calls[i], 1);
        code[n++] = (struct sock_filter)RETURN(listed);
    }
    code[n++] = (struct sock_filter)RETURN(others);
    install(code, n);
}

void seccomp_refuse(const int *calls, size_t count, int error)
{
    by_call(calls, count, SECCOMP_RET_ERRNO | (unsigned)error, SECCOMP_RET_ALLOW);
}

void seccomp_refuse_at(int call, const void *address, int error)
{
    struct sock_filter code[] = {
        LOAD(nr),
        UNLESS_EQUAL_SKIP((unsigned)call, 3),
        LOAD(args[0]),
        UNLESS_EQUAL_SKIP((unsigned)(uintptr_t)address, 1),
        RETURN(SECCOMP_RET_ERRNO | (unsigned)error),
        RETURN(SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

void seccomp_kill(const int *calls, size_t count)
{
    by_call(calls, count, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
}

void seccomp_kill_all_but(const int *calls, size_t count)
{
    by_call(calls, count, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

void seccomp_refuse_inheritable(int error)
{
    struct sock_filter code[] = {
        LOAD(nr),
        UNLESS_EQUAL_SKIP(SYS_openat, 4),
        LOAD(args[2]),
        AND(O_CLOEXEC),
        UNLESS_EQUAL_SKIP(0, 6),
        RETURN(SECCOMP_RET_ERRNO | (unsigned)error),
        UNLESS_EQUAL_SKIP(SYS_memfd_create, 4),
        LOAD(args[1]),
        AND(MFD_CLOEXEC),
        UNLESS_EQUAL_SKIP(0, 1),
        RETURN(SECCOMP_RET_ERRNO | (unsigned)error),
        RETURN(SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}
