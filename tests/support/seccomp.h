/* SPDX-License-Identifier: MIT */
/* seccomp.h - system calls that the kernel shall refuse from here on
 *
 * Raw BPF, no libseccomp. Filters add up: the strictest answer wins, and none can be taken back.
 */
#ifndef FS_TEST_SECCOMP_H
#define FS_TEST_SECCOMP_H

#include <stddef.h>
#include <sys/syscall.h>

/* SIGSYS for mmap, mprotect and pkey_mprotect that ask for PROT_WRITE|PROT_EXEC. */
void seccomp_kill_writable_executable(void);

/* `error` for each of these system calls. */
void seccomp_refuse(const int *calls, size_t count, int error);

/* `error` for this system call if its first argument is `address`. */
void seccomp_refuse_at(int call, const void *address, int error);

/* SIGSYS for each of these system calls. */
void seccomp_kill(const int *calls, size_t count);

/* SIGSYS for every system call but these. */
void seccomp_kill_all_but(const int *calls, size_t count);

/* `error` for openat without O_CLOEXEC and memfd_create without MFD_CLOEXEC. */
void seccomp_refuse_inheritable(int error);

/* Where words have 4 bytes, offsets are counted in pages, by a call of another name. */
#ifdef SYS_mmap2
#define CALL_MMAP SYS_mmap2
#else
#define CALL_MMAP SYS_mmap
#endif

#endif /* FS_TEST_SECCOMP_H */
