/* SPDX-License-Identifier: MIT */
/* days.c - bad days that every library of closures can have: see days.h */
#include "days.h"
#include "seccomp.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* test_right() asks the closure of number `key`; small ones are all of the first kind. */
static void call(const struct made *made, bool small, const char *which)
{
    if (small)
        test_call_small(made);
    else if (!test_right(made))
        test_fail(__FILE__, __LINE__, "a %sclosure gives a wrong answer", which);
}

void day_call_all(size_t n, bool small)
{
    for (size_t i = 0; i < n; i++)
        call(&many[i], small, "");
}

static size_t make_up_to(size_t have, size_t to, bool small)
{
    bool (*make)(struct made *, long) = small ? test_make_small : test_make;
    for (; have < to && make(&many[have], (long)have); have++)
        call(&many[have], small, "new ");
    int error = errno;
    day_call_all(have, small);
    errno = error;
    return have;
}

static const char *how_far(size_t from, size_t to)
{
    if (to == MANY)
        return "goes on";
    return from == to ? "`NULL` at once" : "`NULL` after some, which go on";
}

size_t day_go_on(size_t have, bool small)
{
    size_t now = make_up_to(have, MANY, small);
    outcome("%s", how_far(have, now));
    return now;
}

/* --- descriptors ---------------------------------------------------------------------------- */

static int taken[256];

size_t day_every_fd_taken(size_t have, bool small)
{
    size_t n = 0;
    day_limited(RLIMIT_NOFILE, 128);
    while (n < 256 && (taken[n] = dup(0)) >= 0)
        n++;
    CHECK(n < 256);
    CHECK_EQ(errno, EMFILE);
    size_t open_before = test_open_fds(), now = day_go_on(have, small);
    int error = errno;
    CHECK_EQ(test_open_fds(), open_before);
    errno = error;
    return now;
}

void day_fds_given_back(void)
{
    for (size_t i = 0; taken[i] >= 0; i++)
        CHECK_EQ(close(taken[i]), 0);
}

size_t day_fds_closed_and_reused(size_t have)
{
    enum { FIRST = 3, END = 60, SIZE = 1 << 20 }; /* the maps file is at 60 */
    static char bytes[SIZE], after[SIZE];
    struct stat st;
    memset(bytes, 0xcc, SIZE); /* int3 */
    for (int fd = FIRST; fd < END; fd++)
        close(fd);
    for (int fd = FIRST; fd < END; fd++) {
        char name[] = "/tmp/days-XXXXXX";
        CHECK_EQ(mkstemp(name), fd);
        CHECK_EQ(unlink(name), 0);
        CHECK_EQ(write(fd, bytes, SIZE), SIZE);
    }
    size_t now = day_go_on(have, false);
    for (int fd = FIRST; fd < END; fd++)
        if (fstat(fd, &st) || st.st_size != SIZE || pread(fd, after, SIZE, 0) != SIZE ||
            memcmp(bytes, after, SIZE))
            test_fail(__FILE__, __LINE__, "a file of the application was closed or written");
    return now;
}

/* --- memory --------------------------------------------------------------------------------- */

unsigned long day_limited(int what, unsigned long to)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(what, &limit), 0);
    rlim_t was = limit.rlim_cur;
    limit.rlim_cur = to;
    CHECK_EQ(setrlimit(what, &limit), 0);
    return was;
}

static unsigned long address_space_used(void)
{
    char line[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, line, sizeof line - 1) > 0);
    close(fd);
    return strtoul(line, NULL, 10) * (unsigned long)sysconf(_SC_PAGESIZE);
}

static struct {
    int what;
    bool small;
    unsigned long was;
    const char *told;
} memory;

size_t day_memory_taken(int limit, size_t have, bool small)
{
    memory.what = limit;
    memory.was = day_limited(limit, limit == RLIMIT_AS ? address_space_used() : 4096);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          MAP_FAILED);
    memory.small = small;
    size_t now = make_up_to(have, MANY, small);
    if (now == MANY)
        test_fail(__FILE__, __LINE__, "nothing was refused");
    memory.told = now == have ? "at once" : "after some";
    return now;
}

size_t day_memory_given_back(size_t have)
{
    day_limited(memory.what, memory.was);
    size_t now = make_up_to(have, MANY, memory.small);
    outcome("`NULL` %s; %s", memory.told,
            now == MANY ? "with room again it goes on" : "with room again still `NULL`");
    return now;
}

/* --- what the kernel refuses ---------------------------------------------------------------- */

void day_deny_write_execute(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
        test_skip("prctl(PR_SET_MDWE): %s; it needs Linux 6.3", strerror(errno));
}

size_t day_mdwe(size_t have, bool small)
{
    day_deny_write_execute();
    return day_go_on(have, small);
}

static int call_named(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"openat", SYS_openat},     {"memfd_create", SYS_memfd_create},
                 {"mremap", SYS_mremap},     {"mmap", CALL_MMAP},
                 {"mprotect", SYS_mprotect}, {"munmap", SYS_munmap},
                 {"madvise", SYS_madvise},   {"prctl", SYS_prctl}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, name))
            return names[i].number;
    CHECK(!"a system call that the case knows");
    return -1;
}

size_t day_refused(size_t have, bool small, int error, char **calls, int count)
{
    int numbers[8];
    CHECK(count > 0 && count <= 8);
    for (int i = 0; i < count; i++)
        numbers[i] = call_named(calls[i]);
    seccomp_refuse(numbers, (size_t)count, error);
    return day_go_on(have, small);
}

/* --- files ---------------------------------------------------------------------------------- */

void day_replace(const char *path, const char *how)
{
    char other[4096];
    struct stat st;
    if (!strcmp(how, "deleted")) {
        CHECK_EQ(unlink(path), 0);
        return;
    }
    CHECK(snprintf(other, sizeof other, "%s.new", path) < (int)sizeof other);
    int from = open(path, O_RDONLY), to = open(other, O_RDWR | O_CREAT | O_TRUNC, 0755);
    CHECK(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    char *bytes = malloc((size_t)st.st_size);
    CHECK(bytes && read(from, bytes, (size_t)st.st_size) == st.st_size);
    if (!strcmp(how, "garbage"))
        memset(bytes, 0xcc, (size_t)st.st_size);
    else if (!strcmp(how, "shifted"))
        memmove(bytes + 4096 + 16, bytes + 4096, (size_t)st.st_size - 4096 - 16);
    else
        CHECK(!strcmp(how, "copied"));
    CHECK_EQ(write(to, bytes, (size_t)st.st_size), st.st_size);
    free(bytes);
    close(from);
    close(to);
    CHECK_EQ(rename(other, path), 0);
}

/* --- fork() --------------------------------------------------------------------------------- */

enum { SOME = 3000, HALF = SOME / 2, OTHERS = 12345 * KINDS };

pid_t day_forked(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(tested.patience);
        test_maps_reopen();
        if (tested.tells) { /* a wrong answer is told by the parent */
            int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
            CHECK(dup2(nowhere, STDERR_FILENO) >= 0 && close(nowhere) == 0);
        }
    }
    return child;
}

void day_child_done(void)
{
    if (!tested.tells) { /* what of memory those have is told at the end */
        test_audit();
        tested.whole();
    }
    _exit(0);
}

static void make_some(size_t from, size_t to, long key)
{
    for (size_t i = from; i < to; i++)
        CHECK(test_make(&many[i], (long)i + key));
}

static size_t live(void)
{
    return tested.live ? tested.live() : 0;
}

void day_child_makes_its_own(void)
{
    CHECK_EQ(make_up_to(0, SOME, false), SOME);
    size_t before = live();
    pid_t child = day_forked();
    if (child == 0) {
        test_free_many(many, HALF);
        make_some(0, HALF, OTHERS); /* among those that the parent made */
        day_call_all(SOME, false);
        test_free_many(many, SOME);
        make_some(0, SOME, OTHERS);
        day_call_all(SOME, false);
        if (!tested.tells) /* what those have is to be seen by the parent */
            test_free_many(many, SOME);
        day_child_done();
    }
    test_wait(child);
    day_call_all(SOME, false);
    CHECK_EQ(live(), before);
    test_free_many(many, SOME);
    outcome("both go on");
}

void day_parent_makes_its_own(void)
{
    int gate[2];
    char byte = 0;
    CHECK_EQ(pipe(gate), 0);
    CHECK_EQ(make_up_to(0, SOME, false), SOME);
    pid_t child = day_forked();
    if (child == 0) {
        CHECK_EQ(read(gate[0], &byte, 1), 1); /* after the parent freed */
        day_call_all(SOME, false);
        test_free_many(many, SOME);
        day_child_done();
    }
    test_free_many(many, SOME);
    make_some(0, SOME, OTHERS);
    day_call_all(SOME, false);
    CHECK_EQ(write(gate[1], &byte, 1), 1);
    test_wait(child);
    day_call_all(SOME, false);
    test_free_many(many, SOME);
    outcome("both go on");
}

atomic_bool day_stop;
atomic_ulong day_rounds;

/* Small and large, so that the caches, the tables' lock and the mapping of tables are all
 * busy at the moment of the fork. */
void *day_churn(void *number)
{
    struct made *made = calloc(SOME, sizeof *made);
    CHECK(made != NULL);
    for (unsigned round = (unsigned)(uintptr_t)number; !atomic_load(&day_stop); round++) {
        size_t n = round % 4 == 0 ? SOME : 20;
        for (size_t i = 0; i < n; i++)
            CHECK(test_make(&made[i], (long)i));
        for (size_t i = 0; i < n; i++)
            test_call(&made[i]);
        test_free_many(made, n);
        atomic_fetch_add(&day_rounds, 1);
    }
    free(made);
    return NULL;
}

void day_forks_while_threads_allocate(size_t times)
{
    enum { THREADS = 4, CHILD = 400, KEPT = 100 };
    pthread_t threads[THREADS];
    CHECK_EQ(make_up_to(0, KEPT, false), KEPT);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, day_churn, (void *)i), 0);
    while (atomic_load(&day_rounds) < 2 * THREADS)
        sched_yield();
    for (size_t i = 0; i < times; i++) {
        pid_t child = day_forked();
        if (child == 0) {
            CHECK_EQ(test_make_many(many + KEPT, CHILD), CHILD);
            test_free_many(many + KEPT, CHILD);
            day_call_all(KEPT, false);
            test_free_many(many, KEPT);
            if (i % 50 == 0)
                day_child_done();
            _exit(0);
        }
        test_wait_for(child, "a child");
    }
    atomic_store(&day_stop, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    day_call_all(KEPT, false);
    test_free_many(many, KEPT);
    outcome("all %zu children go on", times);
}
