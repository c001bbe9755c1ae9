/* SPDX-License-Identifier: MIT */
/* limits.c - what the kernel refuses: descriptors, memory files, executable memory, address space
 */
#include "days.h"
#include "libffi.h"
#include <dlfcn.h>
#include <sys/resource.h>

/* N: after N closures no descriptor is to be had */
CASE(every_fd_taken)
{
    day_every_fd_taken(first_crowd(), false);
}

CASE(fds_closed_and_reused)
{
    day_fds_closed_and_reused(first_crowd());
}

/* N: from the N-th closure on */
CASE(mdwe)
{
    day_mdwe(first_crowd(), false);
}

/* N CALL...: these system calls answer EPERM */
CASE(refused)
{
    day_refused(first_crowd(), false, EPERM, test_argv + 1, test_argc - 1);
}

/* N: after N closures no more of it */
CASE(address_space)
{
    day_memory_given_back(day_memory_taken(RLIMIT_AS, first_crowd(), false));
}

/* What a program inherits: fds of a libffi that keeps some. */
CASE(exec)
{
    if (test_argc) { /* the program that was started */
        printf("%d\n", (int)test_open_fds() - 1 /* the maps */);
        fflush(stdout);
        _exit(0);
    }
    size_t bare = test_open_fds() - 1;
    size_t n = test_make_many(many, MANY);
    CHECK_EQ(n, MANY);
    size_t kept = test_open_fds() - 1 - bare;
    char self[4096], command[9000], line[64] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(length > 0);
    self[length] = 0;
    snprintf(command, sizeof command, "exec '%s' exec target", self);
    FILE *pipe = popen(command, "r");
    CHECK(pipe && fgets(line, sizeof line, pipe) && pclose(pipe) == 0);
    int inherited = atoi(line) - (int)bare;
    if (kept || inherited)
        outcome("%zu descriptor%s kept, %d inherited", kept, kept == 1 ? "" : "s", inherited);
    else
        outcome("none kept, none inherited");
}

/* dlclose TIMES: load, make some closures, free them, unload */
CASE(dlclose_again_and_again)
{
    enum { TIMES = 100, SOME = 500 };
    size_t fds = 0, maps = 0;
    for (int i = 0; i <= TIMES; i++) {
        if (i) {
            lib_load();
        }
        CHECK_EQ(test_make_many(many, SOME), SOME);
        for (size_t k = 0; k < SOME; k++)
            test_free(&many[k]);
        CHECK_EQ(dlclose(lib.handle), 0);
        if (i == 0) {
            fds = test_open_fds();
            maps = test_maps_count();
        }
    }
    long more_fds = (long)(test_open_fds() - fds), more_maps = (long)(test_maps_count() - maps);
    void *still = dlopen(lib.path, RTLD_NOW | RTLD_NOLOAD);
    /* The heap, and what the system makes of neighbours, may be a mapping or two. */
    const char *unloaded = still ? "stays loaded, " : "";
    if (more_fds == 0 && more_maps <= 4)
        outcome("%snothing is left", unloaded);
    else
        outcome("%s%ld descriptors and %ld mappings more after %d times", unloaded, more_fds,
                more_maps, TIMES);
}
