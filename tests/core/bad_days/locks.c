/* SPDX-License-Identifier: MIT */
/* locks.c - forks and signals that come while the library's lock is held
 *
 * The program's own mmap() and munmap() stand before libc's. The library calls them under its lock
 * at two places: for its book-keeping, before its first table, and when it gives a table back. A
 * case can stop a thread exactly there. alarm() ends a case that hangs; no case measures a time.
 */
#include "at_fork.h"
#include "fs_test.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { FEW = 100, LARGE = FFI_STATIC_MAX_SIZE };

static void (*_Atomic inside)(void); /* runs once, under the lock */

static void under_the_lock(void)
{
    void (*run)(void) = atomic_exchange(&inside, NULL);
    if (run)
        run();
}

enum { BOOKS = 0x10000, TABLE = 0x50000 }; /* bytes of book-keeping, of a table */

void *mmap(void *address, size_t size, int rights, int flags, int fd, off_t offset)
{
    if (!address && size == BOOKS && rights == (PROT_READ | PROT_WRITE) && fd == -1)
        under_the_lock();
    return mmap64(address, size, rights, flags, fd, offset); /* which stays libc's */
}

int munmap(void *address, size_t size)
{
    if (size == TABLE)
        under_the_lock();
    return (int)syscall(SYS_munmap, address, size);
}

static pid_t forked(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    alarm(100); /* both sides would hang */
    if (child == 0)
        test_maps_reopen();
    return child;
}

/* Enough for a new table, of single slots and of runs. */
static void use_all_kinds(void)
{
    void *runs[40];
    size_t have = test_make_many(many, 6000);
    CHECK_EQ(have, 6000);
    for (int i = 0; i < 40; i++)
        CHECK((runs[i] = api.alloc(LARGE, 0, NULL)) != NULL);
    CHECK_EQ(api.check(), 0);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(api.release(runs[i]), 0);
    test_free_many(many, have);
    CHECK_EQ(api.check(), 0);
}

/* Enough that tables are given back. */
static void *makes_tables(void *data)
{
    size_t have = test_make_many_small(many, MANY);
    CHECK_EQ(have, MANY);
    test_free_many(many, have);
    return data;
}

_Noreturn static void child_done(void)
{
    use_all_kinds();
    test_audit();
    _exit(0);
}

static struct made kept[FEW];

static void keep_few(void)
{
    CHECK_EQ(test_make_many(kept, FEW), FEW);
}

static void call_few(void)
{
    for (int i = 0; i < FEW; i++)
        test_call(&kept[i]);
}

/* --- a fork in a signal handler -------------------------------------------------------------- */

static pid_t child_of_signal;

static void forks(int number)
{
    (void)number;
    child_of_signal = forked();
}

static void sends_a_signal(void)
{
    CHECK_EQ(raise(SIGUSR1), 0);
}

/* The child goes on with what its parent was doing. */
CASE(a_signal_handler_forks_over_the_lock)
{
    CHECK(signal(SIGUSR1, forks) != SIG_ERR);
    keep_few();
    for (int i = 0; i < 20; i++) {
        atomic_store(&inside, sends_a_signal);
        size_t have = test_make_many(many, 6000 * (size_t)(i + 1) % MANY);
        CHECK_EQ(have, 6000 * (size_t)(i + 1) % MANY);
        call_few();
        test_free_many(many, have);
        if (atomic_exchange(&inside, NULL))
            continue; /* a table that was kept was enough */
        if (child_of_signal == 0)
            child_done();
        test_wait(child_of_signal);
    }
}

static void forks_and_leaves(int number)
{
    (void)number;
    pid_t child = forked();
    if (child == 0) {
        call_few();
        _exit(0);
    }
    test_wait(child);
}

CASE(a_signal_handler_forks_over_the_lock_and_the_child_leaves)
{
    CHECK(signal(SIGUSR1, forks_and_leaves) != SIG_ERR);
    keep_few();
    atomic_store(&inside, sends_a_signal);
    makes_tables(NULL);
    use_all_kinds();
    CHECK(!atomic_load(&inside));
}

/* At any instruction, not only at one. Memory of the C library's is not asked for meanwhile: its
 * fork would wait for its own lock. */
static volatile sig_atomic_t forked_by_timer, is_child;

static void forks_at_any_time(int number)
{
    (void)number;
    pid_t child = fork();
    if (child < 0)
        return;
    forked_by_timer++;
    if (child == 0) {
        alarm(100);
        is_child = 1;
    }
}

CASE(a_timer_forks_at_any_instruction)
{
    struct sigaction action = {.sa_handler = forks_at_any_time, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 700}, {0, 700}};
    int status, forks_wanted = (int)test_scaled(300);
    keep_few();
    use_all_kinds(); /* and its tables' memory is had */
    alarm(100);
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_PROF, &every, NULL), 0);
    while (forked_by_timer < forks_wanted && !is_child) {
        void *runs[30], *singles[2000];
        for (int i = 0; i < 2000; i++)
            CHECK((singles[i] = api.alloc(sizeof(ffi_static_closure), 0, NULL)) != NULL);
        for (int i = 0; i < 30; i++)
            CHECK((runs[i] = api.alloc(LARGE, 0, NULL)) != NULL);
        for (int i = 0; i < 30; i++)
            CHECK_EQ(api.release(runs[i]), 0);
        for (int i = 0; i < 2000; i++)
            CHECK_EQ(api.release(singles[i]), 0);
    }
    if (is_child) {
        test_maps_reopen();
        call_few();
        CHECK_EQ(test_stats().live, FEW);
        child_done();
    }
    CHECK_EQ(setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL), 0);
    for (int i = 0; i < forks_wanted; i++) {
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(test_stats().live, FEW);
    CHECK_EQ(api.check(), 0);
}

static void allocates(int number)
{
    (void)number;
    api.alloc(LARGE, 0, NULL);
    _exit(1);
}

CASE(a_signal_handler_that_allocates_over_the_lock_is_told)
{
    int status, tells[2];
    char line[200] = "";
    CHECK(signal(SIGUSR1, allocates) != SIG_ERR);
    CHECK_EQ(pipe(tells), 0);
    pid_t child = forked();
    if (child == 0) {
        CHECK(dup2(tells[1], STDERR_FILENO) >= 0);
        atomic_store(&inside, sends_a_signal);
        use_all_kinds();
        _exit(2);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(read(tells[0], line, sizeof line - 1) > 0);
    CHECK_HAS(line, "signal handler");
}

/* --- locks of the program -------------------------------------------------------------------- */

static pthread_mutex_t program_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stop;
static atomic_ulong rounds;

static void takes_the_program_lock(void)
{
    pthread_mutex_lock(&program_lock);
}

static void leaves_the_program_lock(void)
{
    pthread_mutex_unlock(&program_lock);
}

static void *churn(void *data)
{
    bool locks = (uintptr_t)data == 0;
    void *made[700];
    while (!atomic_load(&stop)) {
        if (locks)
            takes_the_program_lock();
        for (int i = 0; i < 700; i++) {
            made[i] = api.alloc(i % 20 ? sizeof(ffi_static_closure) : LARGE / 2, 0, NULL);
            CHECK(made[i] != NULL);
        }
        for (int i = 0; i < 700; i++)
            CHECK_EQ(api.release(made[i]), 0);
        if (locks)
            leaves_the_program_lock();
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void start_churning(pthread_t *threads, int n, bool with_lock)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(!with_lock || i > 0)),
                 0);
    while (atomic_load(&rounds) < 4)
        sched_yield();
}

static void stop_churning(pthread_t *threads, int n)
{
    atomic_store(&stop, true);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(test_stats().live, FEW);
    CHECK_EQ(api.check(), 0);
}

static void fork_and_use(size_t times)
{
    for (size_t i = 0; i < times; i++) {
        pid_t child = forked();
        if (child == 0) {
            call_few();
            child_done();
        }
        test_wait(child);
    }
}

/* One thread makes closures under a lock of the program, which the older handler waits for. */
CASE(an_older_fork_handler_waits_for_a_lock_held_while_closures_are_made)
{
    pthread_t threads[2];
    keep_few();
    in_prepare = takes_the_program_lock;
    in_parent = in_child = leaves_the_program_lock;
    start_churning(threads, 2, true);
    fork_and_use(test_scaled(100));
    stop_churning(threads, 2);
}

/* So slow an older handler that the others do not wait for it: they are anywhere in the library
 * when the process is copied. */
static void takes_its_time(void)
{
    usleep(50000);
}

CASE(a_fork_that_nobody_waits_for)
{
    pthread_t threads[3];
    keep_few();
    in_prepare = takes_its_time;
    start_churning(threads, 3, false);
    fork_and_use(test_scaled(100));
    stop_churning(threads, 3);
}

/* The same, and the program's own handler in the child comes before the library's. */
static void uses_in_the_child(void)
{
    alarm(100);
    call_few();
    use_all_kinds();
}

CASE(a_fork_that_nobody_waits_for_and_an_older_handler_in_the_child)
{
    pthread_t threads[3];
    keep_few();
    in_prepare = takes_its_time;
    in_child = uses_in_the_child;
    start_churning(threads, 3, false);
    fork_and_use(test_scaled(40));
    stop_churning(threads, 3);
}

/* A thread stays under the lock, before its first table or where it gives one back, and is not
 * copied. */
static sem_t there, go_on;

static void stays(void)
{
    sem_post(&there);
    sem_wait(&go_on);
}

static pthread_t starts_a_thread_that_stays(void)
{
    pthread_t thread;
    CHECK_EQ(sem_init(&there, 0, 0) | sem_init(&go_on, 0, 0), 0);
    keep_few();
    atomic_store(&inside, stays);
    CHECK_EQ(pthread_create(&thread, NULL, makes_tables, NULL), 0);
    sem_wait(&there);
    return thread;
}

static void lets_the_thread_go(pthread_t thread)
{
    sem_post(&go_on);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(test_stats().live, FEW);
    CHECK_EQ(api.check(), 0);
}

CASE(a_thread_under_the_lock_is_not_copied)
{
    pthread_t thread = starts_a_thread_that_stays();
    pid_t child = forked();
    if (child == 0) {
        call_few();
        CHECK_EQ(api.check(), 0);
        child_done();
    }
    test_wait(child);
    lets_the_thread_go(thread);
}

/* As of a child of clone(2), or of fork() for the copy of the library in another namespace. */
CASE(a_thread_under_the_lock_is_not_copied_and_no_handler_runs)
{
    pthread_t thread = starts_a_thread_that_stays();
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        alarm(100);
        test_maps_reopen();
        call_few();
        use_all_kinds();
        _exit(0);
    }
    test_wait(child);
    lets_the_thread_go(thread);
}
