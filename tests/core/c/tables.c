/* SPDX-License-Identifier: MIT */
/* tables.c - tables come when they are needed and go when they are not, but not each time
 *
 * All numbers are counts (ffi_static_get_stats, /proc/self/maps); nothing here is a time.
 */
#include "fs_test.h"
#include <malloc.h>
#include <pthread.h>

static struct made *million;

/* At least five tables, also where it is scaled down. */
static size_t fill(size_t n)
{
    n = test_scaled(n) > 25000 ? test_scaled(n) : 25000;
    million = malloc(n * sizeof *million);
    CHECK(million != NULL);
    for (size_t i = 0; i < n; i++)
        CHECK(test_make_small(&million[i], (long)i));
    return n;
}

static void shuffle(size_t n)
{
    uint64_t state = 42;
    for (size_t i = n - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t k = (state >> 33) % (i + 1);
        struct made swap = million[i];
        million[i] = million[k];
        million[k] = swap;
    }
}

/* What is kept for the next wave is few beside what is in use. */
static void few_are_empty(void)
{
    struct ffi_static_stats now = test_stats();
    printf("%llu tables were mapped, %llu are, %llu of them empty\n", (unsigned long long)now.maps,
           (unsigned long long)now.tables, (unsigned long long)now.empty_tables);
    CHECK(now.empty_tables <= 2 + (now.tables - now.empty_tables));
}

/* The program goes on with few closures: tables that it no longer uses are unmapped one by one. */
static void go_on_calmly(void)
{
    void *few[200];
    for (int i = 0; i < 100000; i++) {
        struct ffi_static_stats now = test_stats();
        if (i % 64 == 0 && now.empty_tables <= 2 + (now.tables - now.empty_tables))
            return;
        for (int k = 0; k < 200; k++)
            CHECK((few[k] = api.alloc(sizeof(ffi_static_closure), 0, NULL)) != NULL);
        for (int k = 0; k < 200; k++)
            CHECK_EQ(api.release(few[k]), 0);
    }
    few_are_empty();
}

CASE(a_million_live_then_all_freed_at_random)
{
    size_t maps = test_maps_count(), n = fill(1000000);
    CHECK_EQ(test_stats().live, n);
    CHECK_EQ(api.check(), 0);
    /* 0.0006 mappings a closure, the bound; a few for malloc */
    printf("%zu closures in %zu mappings\n", n, test_maps_count() - maps);
    CHECK(test_maps_count() - maps <= n * 6 / 10000 + 16);
    test_audit();
    shuffle(n);
    for (size_t i = 0; i < n; i++) {
        test_call_small(&million[i]);
        CHECK(api.address(million[i].closure) == million[i].code);
    }
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(api.release(million[i].closure), 0);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
    few_are_empty();
    free(million);
}

CASE(tables_go_after_a_mass_free)
{
    size_t n = fill(200000);
    struct ffi_static_stats full = test_stats();
    for (size_t i = 0; i < n; i++)
        test_free(&million[i]);
    struct ffi_static_stats empty = test_stats();
    CHECK(full.tables >= 4);
    CHECK_EQ(full.empty_tables, 0);
    few_are_empty();
    CHECK(empty.unmaps > 0);
    CHECK_EQ(empty.live, 0);
    free(million);
}

/* One wave after the other: the second maps what the first one's end unmapped, and that is all. */
CASE(waves_of_the_same_height_map_their_tables_twice)
{
    uint64_t maps[5];
    for (int wave = 0; wave < 5; wave++) {
        size_t n = fill(100000);
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(api.release(million[i].closure), 0);
        free(million);
        maps[wave] = test_stats().maps;
    }
    printf("after each wave %llu %llu %llu %llu %llu tables had been mapped\n",
           (unsigned long long)maps[0], (unsigned long long)maps[1], (unsigned long long)maps[2],
           (unsigned long long)maps[3], (unsigned long long)maps[4]);
    CHECK(maps[1] <= 2 * maps[0]);
    CHECK(maps[4] <= maps[1] + 2);
    CHECK(test_stats().empty_tables > 2); /* they wait for the next wave */
    go_on_calmly();
    few_are_empty();
    CHECK_EQ(api.check(), 0);
}

/* A program that goes up and down for years, with calm in between: later tables
 * take the addresses of earlier ones, and the records of unmapped tables do not grow in number. The
 * first quarter of the rounds shows how much one round needs. */
CASE(up_and_down_for_years_stays_where_it_was)
{
    size_t n = test_scaled(100000) > 25000 ? test_scaled(100000) : 25000, rounds = test_scaled(80);
    uintptr_t low[2] = {UINTPTR_MAX, UINTPTR_MAX}, high[2] = {0, 0};
    size_t heap[2] = {0, 0};
    void *code, **made = malloc(n * sizeof *made);
    CHECK(made != NULL);
    enum { BESIDE = 1 << 16 };
    made[0] = api.alloc(sizeof(ffi_static_closure), 0, &code);
    CHECK(made[0] != NULL);
    uintptr_t resident = strcmp(api.provider_of(code), "resident") == 0 ? (uintptr_t)made[0] : 0;
    CHECK_EQ(api.release(made[0]), 0);
    for (size_t round = 0; round < rounds; round++) {
        bool later = round > rounds / 4;
        for (size_t i = 0; i < n; i++) {
            made[i] = api.alloc(sizeof(ffi_static_closure), 0, NULL);
            CHECK(made[i] != NULL);
            uintptr_t at = (uintptr_t)made[i];
            if (at - resident + BESIDE < 2 * BESIDE)
                continue; /* the library's own table stays, far from all others */
            low[later] = at < low[later] ? at : low[later];
            high[later] = at > high[later] ? at : high[later];
        }
        size_t used = mallinfo2().uordblks;
        if (used > heap[later])
            heap[later] = used;
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(api.release(made[i]), 0);
        go_on_calmly();
    }
    printf("heap %zu, then %zu bytes; slots over %zu, then %zu KiB; %llu tables were mapped\n",
           heap[0], heap[1], (high[0] - low[0]) >> 10, (high[1] - low[1]) >> 10,
           (unsigned long long)test_stats().maps);
    CHECK(test_stats().unmaps > rounds); /* or nothing was shown */
    CHECK(heap[1] <= heap[0]);
    CHECK(high[1] - low[1] <= 2 * (high[0] - low[0])); /* moving on, it would be three times */
    CHECK_EQ(api.check(), 0);
    free(made);
}

/* One more, one less, at every count where a table might be full. */
CASE(churn_at_any_level_does_not_map_and_unmap_each_time)
{
    size_t n = 0;
    million = malloc(200000 * sizeof *million);
    CHECK(million != NULL);
    for (size_t level = 0; level < test_scaled(40000); level++) {
        CHECK(test_make_small(&million[n], (long)n));
        n++;
        uint64_t before = test_stats().maps + test_stats().unmaps;
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(api.release(million[n - 1].closure), 0);
            CHECK(test_make_small(&million[n - 1], (long)n - 1));
        }
        uint64_t after = test_stats().maps + test_stats().unmaps;
        CHECK(after - before <= 1);
    }
    test_free_many(million, n);
    free(million);
}

/* Each wave is a thread of its own. Its cache ends with the thread, so its table is empty then. */
static void *one_wave(void *data)
{
    struct made wave[2000];
    CHECK_EQ(test_make_many_small(wave, 2000), 2000);
    test_free_many(wave, 2000);
    return data;
}

static size_t in_use;

/* As many as fill the tables that there are, and not one more. */
static void *up_to_the_edge(void *data)
{
    in_use = fill(30000);
    million = realloc(million, (in_use + 10000) * sizeof *million);
    CHECK(million != NULL);
    uint64_t maps = test_stats().maps;
    do {
        CHECK(test_make_small(&million[in_use], (long)in_use));
        in_use++;
    } while (test_stats().maps == maps);
    test_free(&million[--in_use]);
    return data;
}

static void in_a_thread(void *(*run)(void *))
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

CASE(waves_over_the_edge_of_a_table_map_it_once)
{
    in_a_thread(up_to_the_edge);
    uint64_t before = test_stats().maps;
    for (int i = 0; i < 500; i++)
        in_a_thread(one_wave);
    printf("%llu empty tables\n", (unsigned long long)test_stats().empty_tables);
    CHECK(test_stats().maps - before <= 2);
    test_free_many(million, in_use);
    free(million);
}

static void *use_and_free(void *data)
{
    struct made made[200];
    CHECK_EQ(test_make_many(made, 200), 200);
    test_free_many(made, 200);
    return data;
}

CASE(a_threads_cache_comes_back_when_it_exits)
{
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, use_and_free, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(test_stats().cached, 0);
        CHECK_EQ(test_stats().live, 0);
    }
    CHECK_EQ(api.check(), 0);
}

static void *make_and_leave(void *made)
{
    CHECK_EQ(test_make_many(made, 100), 100);
    return made;
}

CASE(closures_outlive_the_thread_that_made_them)
{
    static struct made made[8][100];
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, make_and_leave, made[i]), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(test_stats().live, 800);
    CHECK_EQ(test_stats().cached, 0);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 100; k++)
            test_call(&made[i][k]);
    for (int i = 0; i < 8; i++)
        test_free_many(made[i], 100);
    CHECK_EQ(test_stats().live, 0);
}

/* Allocated here, freed there, always in the same direction: nothing may pile up. */
static struct made parcel[500];

static void *receive(void *data)
{
    for (int i = 0; i < 500; i++) {
        test_call(&parcel[i]);
        test_free(&parcel[i]);
    }
    return data;
}

CASE(freed_always_by_another_thread_piles_nothing_up)
{
    uint64_t slots = 0;
    for (int round = 0; round < 300; round++) {
        pthread_t thread;
        CHECK_EQ(test_make_many(parcel, 500), 500);
        CHECK_EQ(pthread_create(&thread, NULL, receive, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        if (round == 3)
            slots = test_stats().slots;
    }
    CHECK_EQ(test_stats().slots, slots);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
}
