/* SPDX-License-Identifier: MIT */
/* exec.c - nothing of the library goes over an exec, and it keeps no descriptor meanwhile */
#include "fs_test.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static pid_t run(bool by_vfork, char **argv)
{
    pid_t child;
    if (!by_vfork) {
        CHECK_EQ(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ), 0);
        return child;
    }
    child = vfork();
    if (child == 0) {
        execve("/proc/self/exe", argv, environ);
        _exit(126);
    }
    return child;
}

/* The far side: as many descriptors as the near side said that it has of its own (the maps file,
 * which each process opens for itself, included). */
CASE(far_side)
{
    CHECK_EQ(test_argc, 1);
    CHECK_EQ(test_open_fds(), strtoul(test_argv[0], NULL, 10));
    struct made made;
    CHECK(test_make(&made, 1));
    test_call(&made);
    test_free(&made);
}

CASE(no_descriptor_is_kept_or_inherited)
{
    char number[16];
    size_t before = test_open_fds();
    size_t have = test_make_many(many, MANY);
    CHECK(have == MANY || !strcmp(getenv("FFI_STATIC_PROVIDER"), "resident"));
    CHECK_EQ(test_open_fds(), before);
    snprintf(number, sizeof number, "%zu", before);
    char *argv[] = {"exec", "far_side", number, NULL};
    for (int i = 0; i < 10; i++)
        test_wait(run(i % 2 == 0, argv));
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
    test_free_many(many, have);
    CHECK_EQ(test_open_fds(), before);
}

static void spawns(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    test_wait(run(true, data));
    *(ffi_sarg *)ret = *(int *)args[0] + 1;
}

CASE(vfork_and_exec_inside_a_handler)
{
    char number[16];
    snprintf(number, sizeof number, "%zu", test_open_fds());
    char *argv[] = {"exec", "far_side", number, NULL};
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), spawns, argv, 0), 0);
    CHECK_EQ(((int (*)(int))made.code)(1), 2);
    test_free(&made);
}
