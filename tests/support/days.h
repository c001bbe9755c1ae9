/* SPDX-License-Identifier: MIT */
/* days.h - bad days that every library of closures can have, written once
 *
 * A case of a program calls one of these and then says what only its own library promises. Each
 * tells an outcome. `have` is how many closures there are already, many[0] to many[have - 1]; what
 * comes back is how many there are then, errno as the refusal left it. All of them were called, and
 * their answers were right, or the case has failed.
 */
#ifndef DAYS_H
#define DAYS_H

#include "harness.h"
#include <stdatomic.h>

/* Make closures up to MANY, or until the library refuses, and call all. `small`: int(int) only. */
size_t day_go_on(size_t have, bool small);
/* Call many[0] to many[n - 1]. */
void day_call_all(size_t n, bool small);

/* --- what the system has not got, or does not give ------------------------------------------ */

/* Go on while no descriptor is to be had; then give them back. */
size_t day_every_fd_taken(size_t have, bool small);
void day_fds_given_back(void);
/* The application closes all descriptors that it does not know, as daemons do, and opens its own:
 * none of its files may be mapped, written or closed. */
size_t day_fds_closed_and_reused(size_t have);
/* Go on while no memory is to be had, by RLIMIT_AS (all mappings) or RLIMIT_DATA (private writable
 * ones); then with memory again. Something must have been refused. */
size_t day_memory_taken(int limit, size_t have, bool small);
size_t day_memory_given_back(size_t have);
/* Set a soft limit; what it was. */
unsigned long day_limited(int what, unsigned long to);

/* Nothing that was writable may be made executable from here on (PR_SET_MDWE); skips the case where
 * the kernel has no such thing. */
void day_deny_write_execute(void);
size_t day_mdwe(size_t have, bool small);
/* These system calls, by their names, answer with an errno. */
size_t day_refused(size_t have, bool small, int error, char **calls, int count);

/* Put another file at a path: deleted, garbage (int3 throughout: a call of it is a SIGTRAP),
 * shifted (as another build's would be) or copied. */
void day_replace(const char *path, const char *how);

/* --- fork() --------------------------------------------------------------------------------- */

/* fork(); a child that hangs is ended by alarm(), and test_wait() says so. */
pid_t day_forked(void);
_Noreturn void day_child_done(void);

/* The child frees all and makes others in their place. */
void day_child_makes_its_own(void);
/* The parent does, while the child calls those that it was born with. */
void day_parent_makes_its_own(void);
/* The child of a process whose four threads allocate goes on; `times` times. */
void day_forks_while_threads_allocate(size_t times);

/* A thread that makes, calls and frees, a few and very many at a time, until day_stop. */
void *day_churn(void *number);
extern atomic_bool day_stop;
extern atomic_ulong day_rounds;

#endif /* DAYS_H */
