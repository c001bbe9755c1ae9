/* SPDX-License-Identifier: MIT */
/* limits.c - descriptors, address space and mappings run out, and come back
 *
 * Out of something, the library says so and stays whole; with room again it goes on. No limit
 * that was once met may stick for the life of the process.
 */
#include "days.h"
#include "fs_test.h"
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* With $FS_TEST_REFUSES the provider needs a descriptor and must say that there is none. */
static void without_fds(size_t have)
{
    size_t now = day_every_fd_taken(have, true);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(now < MANY);
        CHECK_EQ(errno, ENOSYS);
        CHECK_HAS(api.error(), "Too many open files");
    } else {
        CHECK_EQ(now, MANY);
    }
    printf("%zu closures before, %zu without a descriptor\n", have, now - have);
    test_audit();
    day_fds_given_back();
    CHECK_EQ(day_go_on(now, true), MANY);
    test_free_many(many, MANY);
}

CASE(every_fd_taken_before_the_first)
{
    without_fds(0);
}

CASE(every_fd_taken_after_the_999th)
{
    without_fds(test_make_many_small(many, 999));
}

CASE(fds_closed_and_reused_by_the_application)
{
    size_t have = day_fds_closed_and_reused(test_make_many(many, 999));
    CHECK(have == MANY || !strcmp(getenv("FFI_STATIC_PROVIDER"), "resident"));
    test_free_many(many, have);
}

/* RLIMIT_AS: all mappings; RLIMIT_DATA: private writable ones, of which a table has one. */
static void at_the_limit(int what, size_t have)
{
    size_t now = day_memory_taken(what, have, true); /* no table can be mapped */
    CHECK(errno == ENOSYS || errno == ENOMEM);
    CHECK_HAS(api.error(), "memory");
    if (have == 0) /* the resident table asks the system for nothing */
        CHECK(now >= 200);
    size_t maps = test_maps_count();
    for (int i = 0; i < 100; i++)
        CHECK(api.alloc(sizeof(ffi_static_closure), 0, NULL) == NULL);
    CHECK_EQ(test_maps_count(), maps);
    printf("%zu closures at the limit; then: %s\n", now - have, api.error());
    CHECK_EQ(day_memory_given_back(now), MANY);
    test_free_many(many, MANY);
}

CASE(address_space_at_its_limit_before_the_first)
{
    at_the_limit(RLIMIT_AS, 0);
}

CASE(address_space_at_its_limit_after_the_999th)
{
    at_the_limit(RLIMIT_AS, test_make_many_small(many, 999));
}

CASE(address_space_of_data_at_its_limit_before_the_first)
{
    at_the_limit(RLIMIT_DATA, 0);
}

CASE(address_space_of_data_at_its_limit_after_the_999th)
{
    at_the_limit(RLIMIT_DATA, test_make_many_small(many, 999));
}

/* Every second page of a region has another protection, so that each is a mapping. */
static char *region;
static size_t region_pages, region_split;

static void split_mappings_until_none_is_left(void)
{
    size_t limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    CHECK(file && fscanf(file, "%zu", &limit) == 1);
    fclose(file);
    if (limit > 80000)
        test_skip("vm.max_map_count is %zu: too many to use up here", limit);
    region_pages = limit + 1000;
    region = mmap(NULL, region_pages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(region != MAP_FAILED);
    for (region_split = 1; region_split < region_pages; region_split += 2)
        if (mprotect(region + region_split * 4096, 4096, PROT_READ))
            break;
    CHECK_EQ(errno, ENOMEM);
}

/* Give `n` mappings back (two for each page whose protection is that of its neighbours). */
static void leave_mappings(size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        region_split -= 2;
        CHECK_EQ(mprotect(region + region_split * 4096, 4096, PROT_NONE), 0);
    }
}

static void fill(size_t *have)
{
    while (*have < MANY && test_make_small(&many[*have], (long)*have))
        ++*have;
}

CASE(no_mapping_left)
{
    size_t have = 0;
    split_mappings_until_none_is_left();
    fill(&have);
    CHECK(have >= 200 && have < MANY);
    CHECK_HAS(api.error(), "memory"); /* "Cannot allocate memory" where the system answered */
    printf("%zu closures; then: %s\n", have, api.error());
    CHECK_EQ(munmap(region, region_pages * 4096), 0);
    fill(&have);
    CHECK_EQ(have, MANY);
    test_free_many(many, have);
}

/* Tables that fail half-way, after 1, 2, 3 ... of the mappings they need, leave none behind. */
CASE(few_mappings_left)
{
    size_t have = 0;
    split_mappings_until_none_is_left();
    fill(&have);
    for (int round = 0; round < 8; round++) {
        leave_mappings(2);
        fill(&have);
        if (have == MANY)
            break;
        size_t maps = test_maps_count();
        for (int i = 0; i < 20; i++)
            CHECK(api.alloc(sizeof(ffi_static_closure), 0, NULL) == NULL);
        CHECK_EQ(test_maps_count(), maps);
        CHECK_EQ(api.check(), 0);
        for (size_t i = 0; i < have; i++)
            test_call_small(&many[i]);
    }
    CHECK_EQ(munmap(region, region_pages * 4096), 0);
    fill(&have);
    CHECK_EQ(have, MANY);
    for (size_t i = 0; i < have; i++)
        test_call_small(&many[i]);
    test_free_many(many, have);
    CHECK_EQ(api.check(), 0);
}

/* Unmapping may need a mapping more for a moment: when it is refused, the table stays whole. */
CASE(tables_go_when_no_mapping_is_left)
{
    size_t have = test_make_many_small(many, MANY);
    CHECK_EQ(have, MANY);
    split_mappings_until_none_is_left();
    for (size_t i = 0; i < MANY; i++)
        if (i / 4096 % 2) /* whole tables in the middle of others */
            test_free(&many[i]);
    for (size_t i = 0; i < MANY; i++)
        if (many[i].closure)
            test_call_small(&many[i]);
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(munmap(region, region_pages * 4096), 0);
    for (size_t i = 0; i < MANY; i++)
        if (!many[i].closure)
            CHECK(test_make_small(&many[i], (long)i));
    for (size_t i = 0; i < MANY; i++)
        test_call_small(&many[i]);
    test_free_many(many, MANY);
    CHECK_EQ(api.check(), 0);
}

/* Musl's threads, Go's and many a runtime's have little more. */
static void *makes_tables(void *data)
{
    size_t *have = data;
    while (*have < MANY && test_make_small(&many[*have], (long)*have)) {
        test_call_small(&many[*have]);
        ++*have;
    }
    return data;
}

CASE(the_smallest_stack_is_enough_to_make_tables)
{
    pthread_attr_t smallest;
    pthread_t thread;
    size_t have = 0;
    CHECK_EQ(pthread_attr_init(&smallest), 0);
    size_t size = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    if (size < 16384) /* what glibc says; musl says 2048, too little for a system call of its own */
        size = 16384;
    CHECK_EQ(pthread_attr_setstacksize(&smallest, size), 0);
    CHECK_EQ(pthread_create(&thread, &smallest, makes_tables, &have), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(have, MANY);
    CHECK(test_stats().maps >= 3);
    test_free_many(many, have);
}

/* A memory file is a file: what writes more than RLIMIT_FSIZE to it is sent SIGXFSZ. */
CASE(files_may_not_be_as_large_as_a_table)
{
    size_t have = test_make_many_small(many, 100);
    rlim_t was = day_limited(RLIMIT_FSIZE, 4096);
    fill(&have);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_HAS(api.error(), "RLIMIT_FSIZE");
    } else {
        CHECK_EQ(have, MANY);
    }
    day_limited(RLIMIT_FSIZE, was);
    fill(&have);
    CHECK_EQ(have, MANY);
    test_free_many(many, have);
}

/* --- mlockall() ----------------------------------------------------------------------------- */

/* Of the mapping that holds `address`, what /proc/self/smaps has behind VmFlags. */
static bool is_locked(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false, locked = false, found = false;
    CHECK(file != NULL);
    while (!found && fgets(line, sizeof line, file)) {
        uintptr_t start, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            inside = start <= (uintptr_t)address && (uintptr_t)address < end;
        found = inside && !strncmp(line, "VmFlags:", 8);
        locked = found && strstr(line, " lo");
    }
    fclose(file);
    CHECK(found);
    return locked;
}

/* The bytes that are locked, as the process' limit counts them. */
static size_t locked_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[512];
    size_t kib = SIZE_MAX;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) && sscanf(line, "VmLck: %zu", &kib) != 1)
        continue;
    fclose(file);
    CHECK(kib != SIZE_MAX);
    return kib;
}

static struct test_map library_text;

/* All of the library's text, whatever mappings it is in by now. */
static void check_library(void)
{
    for (uintptr_t at = library_text.start; at < library_text.end; at += 4096)
        CHECK(is_locked((void *)at));
}

static void lock_all(int flags)
{
    library_text = test_map_of((void *)(uintptr_t)ffi_static_alloc);
    if (mlockall(flags))
        test_skip("mlockall: %s: needs root or a larger RLIMIT_MEMLOCK", strerror(errno));
    check_library();
}

CASE(locked_now_and_in_future)
{
    lock_all(MCL_CURRENT | MCL_FUTURE);
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(test_make_many_small(many, MANY), MANY);
        check_library();
        for (size_t i = 0; i < MANY; i += 1000) {
            CHECK(is_locked(many[i].code));
            CHECK(is_locked(many[i].closure));
        }
        test_free_many(many, MANY);
        check_library();
    }
}

/* A table is new, and not what was locked: its code is no more locked than its data. */
CASE(locked_now)
{
    lock_all(MCL_CURRENT);
    size_t locked = locked_kib();
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(test_make_many_small(many, MANY), MANY);
        check_library();
        for (size_t i = 0; i < MANY; i += 1000) {
            if (!strcmp(api.provider_of(many[i].code), "resident"))
                continue; /* the library's own */
            CHECK(!is_locked(many[i].code));
            CHECK(!is_locked(many[i].closure));
        }
        test_free_many(many, MANY);
        CHECK_EQ(locked_kib(), locked);
    }
}

/* A daemon's habit: lock all as root, then be nobody, whose limit is lower than what is locked.
 * What was locked stays so; $FS_TEST_REFUSES says that the provider cannot keep it. */
CASE(locked_by_root_who_is_nobody_now)
{
    lock_all(MCL_CURRENT);
    day_limited(RLIMIT_MEMLOCK, 4096);
    if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        test_skip("setresuid: %s: needs root", strerror(errno));
    size_t have = 0, locked = locked_kib();
    fill(&have);
    check_library();
    CHECK_EQ(locked_kib(), locked);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_HAS(api.error(), "RLIMIT_MEMLOCK");
    } else {
        CHECK_EQ(have, MANY);
    }
    test_free_many(many, have);
}
