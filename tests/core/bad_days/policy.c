/* SPDX-License-Identifier: MIT */
/* policy.c - what hardened systems refuse: seccomp filters, PR_SET_MDWE, sealed mappings
 *
 * $FS_TEST_REFUSES says that the provider under test ($FFI_STATIC_PROVIDER, one name) has to
 * refuse; else it, or some provider of the default order, has to serve.
 */
#include "days.h"
#include "fs_test.h"
#include "seccomp.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static void expect_of(size_t have)
{
    int error = errno;
    const char *refusal = getenv("FS_TEST_REFUSES");
    if (refusal) {
        CHECK(have < MANY);
        CHECK_EQ(error, ENOSYS);
        CHECK_HAS(api.error(), refusal);
        printf("%zu closures; then: %s\n", have, api.error());
    } else {
        CHECK_EQ(have, MANY);
        printf("%zu closures, the last of %s\n", have, api.provider_of(many[have - 1].code));
    }
    CHECK_EQ(api.check(), 0);
    test_audit();
    test_free_many(many, have);
}

static void expect(void)
{
    expect_of(test_make_many_small(many, MANY));
}

/* policy refused EPERM|ENOSYS call... */
CASE(refused)
{
    CHECK(test_argc > 1);
    int error = strcmp(test_argv[0], "EPERM") ? ENOSYS : EPERM;
    expect_of(day_refused(0, true, error, test_argv + 1, test_argc - 1));
}

/* Programs give themselves such a filter after their start. It kills instead of refusing. */
CASE(whoever_opens_a_file_is_killed)
{
#ifdef SYS_open
    int calls[] = {SYS_open, SYS_openat};
#else
    int calls[] = {SYS_openat};
#endif
    seccomp_kill(calls, 2);
    CHECK_EQ(test_make_many(many, MANY), MANY);
    test_free_many(many, MANY);
}

/* As `refused`, when tables are there already. */
CASE(refused_after_the_999th)
{
    char *calls[] = {"openat", "memfd_create", "mremap"};
    CHECK_EQ(test_make_many(many, 999), 999);
    size_t have = day_refused(999, false, EPERM, calls, 3);
    CHECK(have < MANY);
    CHECK_EQ(errno, ENOSYS);
    for (unsigned i = 0; i < ffi_static_provider_count(); i++)
        CHECK_HAS(api.error(), ffi_static_provider_name(i));
    CHECK_HAS(api.error(), "Operation not permitted");
    /* What is there goes round and round. */
    for (size_t i = 0; i < have; i += 3)
        test_free(&many[i]);
    for (size_t i = 0; i < have; i += 3)
        CHECK(test_make(&many[i], (long)i));
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
    CHECK_EQ(api.check(), 0);
    test_free_many(many, have);
}

CASE(everything_refused_lists_each_provider_with_its_reason)
{
    int calls[] = {SYS_openat, SYS_memfd_create, SYS_mremap};
    seccomp_refuse(calls, 3, EPERM);
    size_t have = test_make_many_small(many, MANY);
    CHECK(have >= 200 && have < MANY); /* the resident table */
    CHECK_EQ(errno, ENOSYS);
    for (unsigned i = 0; i < ffi_static_provider_count(); i++)
        CHECK_HAS(api.error(), ffi_static_provider_name(i));
    CHECK_HAS(api.error(), "Operation not permitted");
    printf("%s\n", api.error());
    test_free_many(many, have);
}

/* A program that another thread starts at any moment inherits no descriptor of the library. */
CASE(every_descriptor_is_close_on_exec)
{
    seccomp_refuse_inheritable(EPERM);
    expect();
}

CASE(mdwe_before_the_first)
{
    expect_of(day_mdwe(0, true));
}

CASE(mdwe_after_the_999th)
{
    expect_of(day_mdwe(test_make_many_small(many, 999), true));
    expect();
}

CASE(mdwe_and_a_forked_child)
{
    day_deny_write_execute();
    CHECK_EQ(test_make_many(many, 999), 999);
    pid_t child = fork();
    if (child == 0) {
        test_maps_reopen();
        for (size_t i = 0; i < 999; i++) {
            test_call(&many[i]);
            CHECK_EQ(api.prep(many[i].closure, test_cif(0), test_handler(0), (void *)1, 0), 0);
        }
        test_free_many(many, 999);
        expect();
        _exit(0);
    }
    test_wait(child);
    for (size_t i = 0; i < 999; i++)
        test_call(&many[i]);
}

/* The first closure asks the kernel for nothing: any system call but write and exit kills. */
CASE_WITHOUT_AUDIT(first_closure_without_a_system_call)
{
    struct made made;
    int calls[] = {SYS_write, SYS_exit_group};
    seccomp_kill_all_but(calls, 2);
    CHECK(test_make_small(&made, 5));
    test_call_small(&made);
    CHECK_EQ(api.release(made.closure), 0);
    CHECK_EQ(write(1, "done\n", 5), 5);
    syscall(SYS_exit_group, 0);
}

/* The pages of the library's text can no longer be moved, unmapped or changed. */
CASE(text_is_sealed)
{
    struct test_map text = test_map_of((void *)(uintptr_t)ffi_static_alloc);
    CHECK_EQ(text.perms[2], 'x');
    if (syscall(SYS_mseal, text.start, text.end - text.start, 0))
        test_skip("mseal: %s: needs Linux 6.10", strerror(errno));
    expect();
}

CASE(probe_gives_the_reason)
{
    int calls[] = {SYS_openat, SYS_memfd_create, SYS_mremap};
    char why[512];
    for (unsigned i = 0; i < ffi_static_provider_count(); i++)
        if (strcmp(ffi_static_provider_name(i), "trampfd")) /* needs its kernel module */
            CHECK_EQ(ffi_static_provider_probe(ffi_static_provider_name(i), why, sizeof why), 0);
    size_t maps = test_maps_count();
    seccomp_refuse(calls, 3, EPERM);
    for (unsigned i = 0; i < ffi_static_provider_count(); i++) {
        const char *name = ffi_static_provider_name(i);
        if (!strcmp(name, "resident")) {
            CHECK_EQ(ffi_static_provider_probe(name, why, sizeof why), 0);
            continue;
        }
        CHECK(ffi_static_provider_probe(name, why, sizeof why) < 0);
        printf("%s: %s\n", name, why);
        CHECK(strlen(why) > 10);
    }
    CHECK_EQ(test_maps_count(), maps);
}
