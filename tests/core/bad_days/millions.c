/* SPDX-License-Identifier: MIT */
/* millions.c - ten million closures at once: all right, counted, and gone afterwards
 *
 * Some 900 MB and half a minute. Prints what they took: mappings (vm.max_map_count limits them),
 * and memory.
 */
#include "days.h"
#include "fs_test.h"

/* A step that visits each of n numbers once: no factor is common to both. And how many tables may
 * stay: those of the 64 slots that a thread keeps, one that is empty, and one that is begun. */
enum { STEP = 7919, KEPT = 66 };

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

CASE(ten_million_at_once)
{
    size_t n = test_scaled(10000000), maps = test_maps_count();
    struct made *made = malloc(n * sizeof *made);
    CHECK(made && n % STEP);
    memset(made, 0, n * sizeof *made);
    long before = resident_kib();
    for (size_t i = 0; i < n; i++)
        CHECK(test_make_small(&made[i], (long)i), "closure %zu: %s", i + 1, api.error());
    struct ffi_static_stats stats = test_stats();
    CHECK_EQ(stats.live, n);
    printf("%zu closures: %llu tables, %zu mappings more, %ld bytes of memory each\n", n,
           (unsigned long long)stats.tables, test_maps_count() - maps,
           (resident_kib() - before) * 1024 / (long)n);
    for (size_t i = 0, at = 0; i < n; i++, at = (at + STEP) % n)
        test_call_small(&made[at]);
    CHECK_EQ(api.check(), 0);
    for (size_t i = 0, at = 0; i < n; i++, at = (at + STEP) % n)
        test_free(&made[at]);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
    printf("freed: %llu tables left, %zu mappings more, %ld KiB more\n",
           (unsigned long long)test_stats().tables, test_maps_count() - maps,
           resident_kib() - before);
    CHECK(test_stats().tables <= KEPT, "%llu", (unsigned long long)test_stats().tables);
    CHECK(test_maps_count() - maps <= 2 * KEPT + 10);
    free(made);
}
