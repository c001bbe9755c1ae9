/* SPDX-License-Identifier: MIT */
/* overcommit.c - the kernel promises no memory that it has not got (vm.overcommit_memory=2)
 *
 * The setting is of the whole machine, so these cases want one of their own ($FS_TEST_MACHINE,
 * which machine_days.py sets in a guest).
 */
#include "days.h"
#include "fs_test.h"

static void set(const char *name, long value)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/vm/%s", name);
    FILE *file = fopen(path, "we");
    CHECK(file && fprintf(file, "%ld\n", value) > 0 && fclose(file) == 0, "%s: %s", path,
          strerror(errno));
}

/* The kernel promises so many KiB in all, programs that run included. */
static void promise(long kib)
{
    if (!getenv("FS_TEST_MACHINE"))
        test_skip("changes the whole machine: $FS_TEST_MACHINE says that it may");
    set("overcommit_kbytes", kib);
    set("overcommit_memory", 2);
}

static size_t fill(size_t have)
{
    while (have < MANY && test_make_small(&many[have], (long)have))
        have++;
    return have;
}

CASE(memory_is_promised_and_there)
{
    promise(1 << 20);
    CHECK_EQ(fill(0), MANY);
    CHECK_EQ(api.check(), 0);
    test_free_many(many, MANY);
    set("overcommit_memory", 0);
}

/* A table's data is what takes memory. Its code does not: it is a file's. */
static void nothing_more(size_t have)
{
    promise(1);
    have = fill(have);
    int error = errno;
    size_t maps = test_maps_count();
    for (int i = 0; i < 100; i++)
        CHECK(api.alloc(CELL, 0, NULL) == NULL);
    size_t maps_later = test_maps_count();
    set("overcommit_memory", 0);
    printf("%zu closures; then: %s\n", have, api.error());
    CHECK(have < MANY);
    CHECK_EQ(error, ENOSYS);
    /* The kernel's word for a memory file that it has no memory for is another. */
    CHECK(strstr(api.error(), "Cannot allocate memory") || strstr(api.error(), "No space left"),
          "%s", api.error());
    CHECK_EQ(maps_later, maps);
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(fill(have), MANY);
    test_free_many(many, MANY);
}

CASE(no_more_is_promised_before_the_first)
{
    nothing_more(0);
}

CASE(no_more_is_promised_after_the_999th)
{
    nothing_more(test_make_many_small(many, 999));
}

/* fork() itself is refused, for a copy of everything is not promised; nobody loses a closure. */
CASE(fork_is_refused)
{
    CHECK_EQ(fill(0), MANY);
    promise(1);
    pid_t child = fork();
    int error = errno;
    set("overcommit_memory", 0);
    if (child == 0)
        _exit(0);
    CHECK(child < 0);
    CHECK_EQ(error, ENOMEM);
    for (size_t i = 0; i < MANY; i++)
        test_call_small(&many[i]);
    test_free_many(many, MANY);
}
