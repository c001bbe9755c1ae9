/* SPDX-License-Identifier: MIT */
/* live.c - making and freeing closures, and calling many, while 10 to 1e6 are live
 *
 * Three measurements at each number of live closures L, all with int(int):
 *   calls    L distinct closures called in random order
 *   replace  one closure is freed and one is made, at its place (alloc + prep + free)
 *   drain    all L are freed, then L are made again (per closure: alloc + prep + free)
 * replace and drain run twice: freeing in the order in which they were made, and in random order.
 * Lists of what to free or call are shuffled beforehand and walked from start to end, so that the
 * benchmark's own memory costs the same in both orders.
 *
 * "records" is the control: 64-byte records in one array. Freeing clears one word and making writes
 * four, both under a lock, as in every allocator. The control shows what the memory itself costs in
 * either order: in random order, a closure is a cold cache line for every library, and a lock keeps
 * a processor from waiting for two such lines at once.
 *
 * A rival that needs longer than `patience` to make its closures, or for one drain, is left out
 * at that L, and the table says so.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

extern const struct row row_int_int;

static const struct rival records = {.name = (char *)"records", .kind = RIVAL_RECORDS};
static int records_lock;

struct herd {
    const struct rival *rival;
    char *records; /* the array, for the control */
    struct signature signature;
    void **closures;
    void **codes;
    long live;
    long at; /* the next one of replace and calls */
    char note[96];
};

enum measurement { CALLS, REPLACE, REPLACE_RANDOM, DRAIN, DRAIN_RANDOM, MEASUREMENTS };
static const struct {
    const char *what, *order, *text;
} about[MEASUREMENTS] = {
    {"calls", "random", "random calls"},
    {"replace", "in order", "alloc+prep+free, in order"},
    {"replace", "random", "alloc+prep+free, random"},
    {"drain", "in order", "all freed and remade, in order"},
    {"drain", "random", "all freed and remade, random"},
};

static void shuffle(void **list, long n)
{
    static uint64_t state = 0x9e3779b97f4a7c15u; /* xorshift64: the same in every run */
    for (long i = n - 1; i > 0; i--) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        long j = (long)(state % (uint64_t)(i + 1));
        void *other = list[i];
        list[i] = list[j];
        list[j] = other;
    }
}

/* Make the closure that is `at` in the list. The control reuses record `at` of its array after a
 * drain, and the record just freed in a replacement. */
static inline void *make(struct herd *h, void *freed, long at, void **code)
{
    if (h->rival->kind != RIVAL_RECORDS)
        return rival_make(h->rival, &h->signature.cif, row_int_int.handler, NULL, code);
    void **record = freed ? freed : (void **)(h->records + at * 64);
    while (__atomic_exchange_n(&records_lock, 1, __ATOMIC_ACQUIRE))
        ;
    record[0] = record;
    record[1] = (void *)row_int_int.handler;
    record[2] = h;
    record[3] = code;
    __atomic_store_n(&records_lock, 0, __ATOMIC_RELEASE);
    *code = record;
    return record;
}

static inline void drop(struct herd *h, void *closure)
{
    if (h->rival->kind != RIVAL_RECORDS) {
        rival_drop(h->rival, closure);
        return;
    }
    while (__atomic_exchange_n(&records_lock, 1, __ATOMIC_ACQUIRE))
        ;
    *(void *volatile *)closure = NULL;
    __atomic_store_n(&records_lock, 0, __ATOMIC_RELEASE);
}

/* Make closures up to `n`; false (and a note) when it fails or takes too long. */
static bool fill(struct herd *h, long n, double patience)
{
    double limit = now_ns() + patience * 1e9;
    while (h->live < n) {
        void *c = make(h, NULL, h->live, &h->codes[h->live]);
        if (!c) {
            snprintf(h->note, sizeof h->note, "made only %ld: %s", h->live, rival_why(h->rival));
            return false;
        }
        h->closures[h->live++] = c;
        if (h->live % 1024 == 0 && now_ns() > limit) {
            snprintf(h->note, sizeof h->note, "left out: made only %ld in %.0f s", h->live,
                     patience);
            return false;
        }
    }
    return true;
}

static void drain(struct herd *h)
{
    for (long i = 0; i < h->live; i++)
        drop(h, h->closures[i]);
    h->live = 0;
}

static double slice_calls(struct herd *h, long ops)
{
    int sum = 0;
    double start = now_ns();
    for (long i = 0; i < ops; i++) {
        sum += ((int (*)(int))h->codes[h->at])((int)i);
        h->at = h->at + 1 == h->live ? 0 : h->at + 1;
    }
    double end = now_ns();
    __asm__ volatile("" : : "r"(sum));
    return (end - start) / (double)ops;
}

static double slice_replace(struct herd *h, long ops)
{
    void *code;
    double start = now_ns();
    for (long i = 0; i < ops; i++) {
        void *old = h->closures[h->at];
        drop(h, old);
        h->closures[h->at] = make(h, old, 0, &code);
        h->at = h->at + 1 == h->live ? 0 : h->at + 1;
    }
    return (now_ns() - start) / (double)ops;
}

static double slice_drain(struct herd *h, long repeat, bool random)
{
    double spent = 0;
    long n = h->live;
    for (long k = 0; k < repeat; k++) {
        if (random)
            shuffle(h->closures, n);
        double start = now_ns();
        drain(h);
        for (; h->live < n; h->live++)
            h->closures[h->live] = make(h, NULL, h->live, &h->codes[h->live]);
        spent += now_ns() - start;
    }
    return spent / (double)(repeat * n);
}

static double slice(enum measurement m, struct herd *h, long ops)
{
    if (m == CALLS)
        return slice_calls(h, ops);
    if (m == DRAIN || m == DRAIN_RANDOM)
        return slice_drain(h, ops, m == DRAIN_RANDOM);
    return slice_replace(h, ops);
}

static bool in_it(enum measurement m, const struct herd *h, long live)
{
    return h->live == live && !(m == CALLS && h->rival->kind == RIVAL_RECORDS);
}

/* Warm up, find out how much fits into a slice, and leave out rivals that are far too slow. */
static void prepare(const struct settings *s, enum measurement m, struct herd *h, long *ops)
{
    bool whole = m == DRAIN || m == DRAIN_RANDOM;
    h->at = 0;
    if (m == CALLS)
        shuffle(h->codes, h->live);
    if (m == REPLACE_RANDOM)
        shuffle(h->closures, h->live);
    double start = now_ns();
    double ns = slice(m, h, whole ? 1 : 100);
    if ((now_ns() - start) / 1e9 > s->patience) {
        snprintf(h->note, sizeof h->note, "left out: one round took %.1f s",
                 (now_ns() - start) / 1e9);
        drain(h);
    }
    double wanted = 2 * s->slice_ns / fmax(whole ? ns * (double)h->live : ns, 1);
    *ops = fmax(wanted, whole ? 1 : 100);
}

static int rounds_for(const struct settings *s, enum measurement m, long live)
{
    bool whole = m == DRAIN || m == DRAIN_RANDOM;
    int rounds = s->quick ? 3 : 201;
    if (whole && live >= 10000)
        rounds = live >= 1000000 ? 7 : live >= 100000 ? 21 : 51;
    return rounds;
}

static void write_result(struct settings *s, enum measurement m, long live, const struct herd *h,
                         const struct series *series, int n)
{
    json_open(s->json, NULL, '{');
    json_text(s->json, "what", about[m].what);
    json_text(s->json, "order", about[m].order);
    json_number(s->json, "live", (double)live);
    json_open(s->json, "rivals", '{');
    printf("%-36s %9ld", about[m].text, live);
    for (int i = 0; i < n; i++) {
        json_open(s->json, h[i].rival->name, '{');
        json_number(s->json, "ns", series[i].median);
        json_number(s->json, "q1", series[i].q1);
        json_number(s->json, "q3", series[i].q3);
        json_number(s->json, "times_as_fast", series[i].ratio ? series[i].ratio : NAN);
        if (h[i].note[0])
            json_text(s->json, "note", h[i].note);
        json_close(s->json, '}');
        if (series[i].count)
            printf(" %7.1f %5.2fx", series[i].median, series[i].ratio);
        else
            printf(" %14s", "-");
    }
    printf("\n");
    fflush(stdout);
    json_close(s->json, '}');
    json_close(s->json, '}');
}

static void measure(struct settings *s, enum measurement m, struct herd *h, int n, long live,
                    int baseline)
{
    struct series series[MAX_RIVALS];
    long ops[MAX_RIVALS];
    int rounds = rounds_for(s, m, live);

    progress("%s, %ld live", about[m].text, live);
    for (int i = 0; i < n; i++) {
        if (in_it(m, &h[i], live))
            prepare(s, m, &h[i], &ops[i]);
        series[i] = (struct series){.ns = calloc((size_t)rounds, sizeof(double))};
        series[i].count = in_it(m, &h[i], live) ? rounds : 0;
    }
    for (int k = 0; k < rounds; k++)
        for (int p = 0; p < n; p++) {
            int i = turn(k, p, n);
            if (series[i].count)
                series[i].ns[k] = slice(m, &h[i], ops[i]);
        }
    series_finish(series, n, baseline);
    progress_done();
    write_result(s, m, live, h, series, n);
    for (int i = 0; i < n; i++)
        free(series[i].ns);
}

/* Memory in pages of the usual size, as the tables of closures are. */
static void *small_pages(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

static int enter(const struct settings *s, struct herd *h, const struct rival *r)
{
    size_t size = (size_t)s->max_live * sizeof(void *);
    *h = (struct herd){.rival = r, .closures = malloc(size), .codes = malloc(size)};
    if (r->kind == RIVAL_RECORDS)
        h->records = small_pages((size_t)s->max_live * 64);
    if (!h->closures || !h->codes || (r->kind == RIVAL_RECORDS && !h->records)) {
        fprintf(stderr, "callbench: no memory for lists of %ld closures\n", s->max_live);
        return -1;
    }
    if (r->kind == RIVAL_RECORDS)
        return 0;
    return signature_prepare(r, row_int_int.signature, &h->signature);
}

/* The rivals of this section, the control last; -1 after a message. */
static int choose(struct settings *s, struct herd *h, int *baseline)
{
    int n = 0;
    *baseline = -1;
    for (int i = 0; i < s->rivals.count; i++) {
        const struct rival *r = &s->rivals.list[i];
        if (!chosen(s, r) || !rival_is_library(r))
            continue;
        if (i == s->rivals.baseline)
            *baseline = n;
        if (enter(s, &h[n++], r) < 0)
            return -1;
    }
    return enter(s, &h[n], &records) < 0 ? -1 : n + 1;
}

int section_live(struct settings *s)
{
    static const long levels[] = {10, 1000, 10000, 100000, 1000000};
    struct herd h[MAX_RIVALS];
    int baseline, n = choose(s, h, &baseline);
    if (n < 0)
        return -1;
    printf("\nns per operation with so many closures live, and how many times as fast\n%-46s", "");
    for (int i = 0; i < n; i++)
        printf(" %14.14s", h[i].rival->name);
    printf("\n");
    json_open(s->json, "live", '[');
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (levels[l] > s->max_live)
            break;
        for (int i = 0; i < n; i++) {
            progress("making %ld closures: %s", levels[l], h[i].rival->name);
            h[i].note[0] = 0;
            if (!fill(&h[i], levels[l], s->patience))
                drain(&h[i]);
        }
        progress_done();
        for (enum measurement m = CALLS; m < MEASUREMENTS; m++)
            if (m != CALLS || levels[l] >= 1000)
                measure(s, m, h, n, levels[l], baseline);
        for (int i = 0; i < n; i++) {
            if (h[i].note[0])
                printf("  %s with %ld live: %s\n", h[i].rival->name, levels[l], h[i].note);
            drain(&h[i]);
        }
    }
    json_close(s->json, ']');
    for (int i = 0; i < n; i++) {
        free(h[i].closures);
        free(h[i].codes);
        if (h[i].records)
            munmap(h[i].records, (size_t)s->max_live * 64);
    }
    return 0;
}
