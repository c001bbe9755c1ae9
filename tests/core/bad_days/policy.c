/* SPDX-License-Identifier: MIT */
/* policy.c - what hardened systems refuse: seccomp filters, PR_SET_MDWE, sealed mappings
 *
 * $FS_TEST_REFUSES says that the provider under test ($FFI_STATIC_PROVIDER, one name) has to
 * refuse; else it, or some provider of the default order, has to serve.
 */
#include "fs_test.h"
#include "seccomp.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static void expect(void)
{
    size_t have = test_make_many_small(many, MANY);
    const char *refusal = getenv("FS_TEST_REFUSES");
    if (refusal) {
        CHECK(have < MANY);
        CHECK_EQ(errno, ENOSYS);
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

static int call_named(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"openat", SYS_openat},     {"memfd_create", SYS_memfd_create},
                 {"mremap", SYS_mremap},     {"mmap", SYS_mmap},
                 {"mprotect", SYS_mprotect}, {"munmap", SYS_munmap},
                 {"madvise", SYS_madvise},   {"prctl", SYS_prctl}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, name))
            return names[i].number;
    CHECK(!"a system call that the case knows");
    return -1;
}

/* policy refused EPERM|ENOSYS call... */
CASE(refused)
{
    int calls[8], n = 0;
    CHECK(test_argc > 1 && test_argc < 8);
    for (int i = 1; i < test_argc; i++)
        calls[n++] = call_named(test_argv[i]);
    seccomp_refuse(calls, (size_t)n, strcmp(test_argv[0], "EPERM") ? ENOSYS : EPERM);
    expect();
}

/* A filter that programs give themselves after their start, and that does not argue. */
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
    int calls[] = {SYS_openat, SYS_memfd_create, SYS_mremap};
    size_t have = test_make_many(many, 999);
    CHECK_EQ(have, 999);
    seccomp_refuse(calls, 3, EPERM);
    while (have < MANY && test_make(&many[have], (long)have))
        have++;
    CHECK(have < MANY);
    CHECK_EQ(errno, ENOSYS);
    for (unsigned i = 0; i < ffi_static_provider_count(); i++)
        CHECK_HAS(api.error(), ffi_static_provider_name(i));
    CHECK_HAS(api.error(), "Operation not permitted");
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
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

/* A program that another thread starts at any moment inherits no descriptor of ours. */
CASE(every_descriptor_is_close_on_exec)
{
    seccomp_refuse_inheritable(EPERM);
    expect();
}

static void deny_write_execute(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
        test_skip("PR_SET_MDWE: %s: needs Linux 6.3", strerror(errno));
}

CASE(mdwe_before_the_first)
{
    deny_write_execute();
    expect();
}

CASE(mdwe_after_the_999th)
{
    size_t have = test_make_many_small(many, 999);
    deny_write_execute();
    test_free_many(many, have);
    expect();
}

CASE(mdwe_and_a_forked_child)
{
    deny_write_execute();
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
