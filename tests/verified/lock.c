/* SPDX-License-Identifier: MIT */
/* lock.c - becomes a program that, with all its children, cannot change its personality
 *
 *     lock program argument...
 *
 * After personality(READ_IMPLIES_EXEC), brk() gives memory that is writable and executable, and the
 * kernel asks neither SELinux nor IMA. systemd's LockPersonality= is such a filter; the guest's
 * first process has this one, and so has everybody. Calls of 32-bit programs have other numbers,
 * and are refused all.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(k, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, then, otherwise)
#define HAS(bits, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, then, otherwise)
#define X32 0x40000000

int main(int argc, char **argv)
{
    struct sock_filter code[] = {
        LOAD(arch),
        IS(AUDIT_ARCH_X86_64, 0, 5),
        LOAD(nr),
        HAS(X32, 3, 0),
        IS(SYS_personality, 0, 3),
        LOAD(args[0]),
        HAS(READ_IMPLIES_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (argc < 2 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("lock: prctl(PR_SET_SECCOMP)");
        return 1;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 126;
}
