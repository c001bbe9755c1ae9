/* SPDX-License-Identifier: MIT */
/* limits.c - what the kernel refuses: descriptors, memory files, executable memory, address space
 */
#include "days.h"
#include "seccomp.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static size_t first_crowd(void)
{
    size_t n = (size_t)atol(day_argument(0));
    CHECK_EQ(crowd_make(0, n), n);
    return n;
}

/* every_fd_taken N: after N closures no descriptor is to be had */
DAY(every_fd_taken)
{
    size_t n = first_crowd();
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){128, 128}), 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    CHECK_EQ(errno, EMFILE);
    crowd_go_on(n);
}

/* The application closes all descriptors that it does not know, as daemons do, and opens its own:
 * is a file of its own mapped, written or closed? */
DAY(fds_closed_and_reused)
{
    enum { FILES = 40, SIZE = 1 << 20 };
    static char bytes[SIZE], after[SIZE];
    size_t n = first_crowd();
    struct stat st;
    for (int fd = 3; fd < 60; fd++) /* the maps are at 60 and up */
        close(fd);
    memset(bytes, 0xcc, SIZE);
    int fds[FILES];
    for (int i = 0; i < FILES; i++) {
        char name[] = "/tmp/days-XXXXXX";
        fds[i] = mkstemp(name);
        CHECK(fds[i] >= 0 && unlink(name) == 0);
        CHECK_EQ(write(fds[i], bytes, SIZE), SIZE);
    }
    crowd_go_on(n);
    for (int i = 0; i < FILES; i++) {
        if (fstat(fds[i], &st) || st.st_size != SIZE || pread(fds[i], after, SIZE, 0) != SIZE ||
            memcmp(bytes, after, SIZE))
            test_fail(__FILE__, __LINE__, "a file of the application was closed or written");
    }
}

/* mdwe N: from the N-th closure on */
DAY(mdwe)
{
    size_t n = first_crowd();
    day_mdwe();
    crowd_go_on(n);
}

/* refused N CALL...: these system calls answer EPERM */
DAY(refused)
{
    static const struct {
        const char *name;
        int call;
    } known[] = {
        {"memfd_create", SYS_memfd_create}, {"openat", SYS_openat}, {"mremap", SYS_mremap}};
    int calls[8];
    size_t count = 0, n = first_crowd();
    for (int i = 1; i < test_argc; i++)
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (!strcmp(test_argv[i], known[k].name))
                calls[count++] = known[k].call;
    CHECK_EQ(count, test_argc - 1);
    seccomp_refuse(calls, count, EPERM);
    crowd_go_on(n);
}

/* address_space N: after N closures no more of it */
DAY(address_space)
{
    struct rlimit limit;
    size_t n = first_crowd();
    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    rlim_t max = limit.rlim_max;
    limit.rlim_cur = 1 << 20; /* less than there is: nothing more is mapped */
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    size_t got = crowd_make(n, CROWD);
    crowd_check(got);
    limit.rlim_cur = max;
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    size_t again = crowd_make(got, CROWD);
    crowd_check(again);
    if (got == CROWD)
        test_fail(__FILE__, __LINE__, "nothing was refused");
    outcome("`NULL` %s; %s", got == n ? "at once" : "after some",
            again == CROWD ? "with room again it goes on" : "with room again still `NULL`");
}

/* What a program inherits: fds of a libffi that keeps some. */
DAY(exec)
{
    if (test_argc) { /* the program that was started */
        printf("%d\n", (int)test_open_fds() - 1 /* the maps */);
        _exit(0);
    }
    size_t bare = test_open_fds() - 1;
    size_t n = crowd_make(0, CROWD);
    CHECK_EQ(n, CROWD);
    size_t kept = test_open_fds() - 1 - bare;
    char self[4096], command[9000], line[64] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(length > 0);
    self[length] = 0;
    snprintf(command, sizeof command, "exec '%s' '%s' exec target", self, lib_path);
    FILE *pipe = popen(command, "r");
    CHECK(pipe && fgets(line, sizeof line, pipe) && pclose(pipe) == 0);
    int inherited = atoi(line) - (int)bare;
    if (kept || inherited)
        outcome("%zu descriptor%s kept, %d inherited", kept, kept == 1 ? "" : "s", inherited);
    else
        outcome("none kept, none inherited");
}

/* dlclose TIMES: load, make some closures, free them, unload */
DAY(dlclose_again_and_again)
{
    enum { TIMES = 100, SOME = 500 };
    size_t fds = 0, maps = 0;
    for (int i = 0; i <= TIMES; i++) {
        if (i) {
            lib_load(lib_path);
        }
        CHECK_EQ(crowd_make(0, SOME), SOME);
        for (size_t k = 0; k < SOME; k++)
            live_free(&crowd[k]);
        CHECK_EQ(dlclose(lib.handle), 0);
        if (i == 0) {
            fds = test_open_fds();
            maps = test_maps_count();
        }
    }
    long more_fds = (long)(test_open_fds() - fds), more_maps = (long)(test_maps_count() - maps);
    void *still = dlopen(lib_path, RTLD_NOW | RTLD_NOLOAD);
    /* The heap, and what the system makes of neighbours, may be a mapping or two. */
    const char *unloaded = still ? "stays loaded, " : "";
    if (more_fds == 0 && more_maps <= 4)
        outcome("%snothing is left", unloaded);
    else
        outcome("%s%ld descriptors and %ld mappings more after %d times", unloaded, more_fds,
                more_maps, TIMES);
}
