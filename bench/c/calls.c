/* SPDX-License-Identifier: MIT */
/* calls.c - nanoseconds per call, for every row and rival
 *
 * Each row first checks every rival's answers. A rival that answers wrongly, or cannot make the
 * closure, ends the run: a fast wrong answer is not a result.
 */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct contender {
    const struct rival *rival;
    struct signature signature;
    void *closure;
    void *code;
    const char *provider;
    long calls; /* in one slice */
};

static int enter(struct contender *c, const struct rival *r, const struct row *row)
{
    memset(c, 0, sizeof *c);
    c->rival = r;
    if (r->kind == RIVAL_HAND || r->kind == RIVAL_DIRECT) {
        c->code = r->kind == RIVAL_HAND ? row->hand : row->direct;
    } else {
        if (signature_prepare(r, row->signature, &c->signature) < 0)
            return -1;
        c->closure = rival_make(r, &c->signature.cif, row->handler, NULL, &c->code);
        if (!c->closure) {
            fprintf(stderr, "callbench: row %s: '%s' made no closure: %s\n", row->id, r->name,
                    rival_why(r));
            return -1;
        }
        if (r->kind == RIVAL_STATIC)
            c->provider = r->ours.provider_of(c->code);
    }
    if (!row->check(c->code)) {
        fprintf(stderr, "callbench: row %s: '%s' gives a WRONG ANSWER (%s)\n", row->id, r->name,
                r->path ? r->path : "in callbench itself");
        return -1;
    }
    return 0;
}

static void leave(struct contender *c)
{
    if (c->closure)
        rival_drop(c->rival, c->closure);
    c->closure = NULL;
}

static double slice(const struct row *row, const struct contender *c, long calls)
{
    double start = now_ns();
    long done = row->call(c->code, calls);
    return (now_ns() - start) / (double)done;
}

/* How many calls fill a slice. Also warms up code and data. */
static long calibrate(const struct settings *s, const struct row *row, const struct contender *c)
{
    double best = INFINITY;
    slice(row, c, 100);
    for (int i = 0; i < 5; i++)
        best = fmin(best, slice(row, c, 1000));
    return 1 + (long)(s->slice_ns / fmax(best, 0.1));
}

static void measure_row(struct settings *s, const struct row *row, struct contender *c, int n,
                        struct series *series, int baseline)
{
    for (int i = 0; i < n; i++) {
        c[i].calls = calibrate(s, row, &c[i]);
        series[i] = (struct series){.ns = calloc((size_t)s->rounds, sizeof(double))};
        series[i].count = s->rounds;
    }
    for (int k = 0; k < s->rounds; k++)
        for (int p = 0; p < n; p++) {
            int i = turn(k, p, n);
            series[i].ns[k] = slice(row, &c[i], c[i].calls);
        }
    series_finish(series, n, baseline);
}

static void write_row(struct settings *s, const struct row *row, const struct contender *c, int n,
                      const struct series *series)
{
    json_open(s->json, NULL, '{');
    json_text(s->json, "id", row->id);
    json_text(s->json, "row", row->name);
    json_open(s->json, "rivals", '{');
    for (int i = 0; i < n; i++) {
        json_open(s->json, c[i].rival->name, '{');
        json_number(s->json, "ns", series[i].median);
        json_number(s->json, "q1", series[i].q1);
        json_number(s->json, "q3", series[i].q3);
        json_number(s->json, "times_as_fast", series[i].ratio ? series[i].ratio : NAN);
        if (c[i].provider)
            json_text(s->json, "provider", c[i].provider);
        json_close(s->json, '}');
    }
    json_close(s->json, '}');
    json_close(s->json, '}');
}

static void print_row(const struct row *row, const struct series *series, int n)
{
    printf("%-36s", row->name);
    for (int i = 0; i < n; i++)
        printf(" %7.2f %5.2fx", series[i].median, series[i].ratio);
    printf("\n");
    fflush(stdout);
}

static int choose(struct settings *s, const struct rival **list, int *baseline)
{
    int n = 0;
    *baseline = -1;
    for (int i = 0; i < s->rivals.count; i++) {
        if (!chosen(s, &s->rivals.list[i]))
            continue;
        if (i == s->rivals.baseline)
            *baseline = n;
        list[n++] = &s->rivals.list[i];
    }
    return n;
}

static void write_geomean(struct settings *s, const struct rival **list, int n,
                          const double *log_sum, int measured)
{
    printf("%-36s", "geometric mean");
    json_open(s->json, "geometric_mean", '{');
    for (int i = 0; i < n; i++) {
        double mean = exp(log_sum[i] / measured);
        printf("         %5.2fx", mean);
        json_number(s->json, list[i]->name, mean);
    }
    json_close(s->json, '}');
    printf("\n");
}

int section_calls(struct settings *s)
{
    const struct rival *list[MAX_RIVALS];
    struct contender c[MAX_RIVALS];
    struct series series[MAX_RIVALS];
    double log_sum[MAX_RIVALS] = {0};
    int baseline, n = choose(s, list, &baseline), total = 0, measured = 0;

    while (rows[total])
        total++;
    printf("\nns per call, and how many times as fast as the baseline\n%-36s", "");
    for (int i = 0; i < n; i++)
        printf(" %14.14s", list[i]->name);
    printf("\n");
    json_open(s->json, "calls", '[');
    for (int at = 0; rows[at]; at++) {
        const struct row *row = rows[at];
        if (s->row && strcmp(s->row, row->id))
            continue;
        progress("calls %d/%d: %s", at + 1, total, row->name);
        for (int i = 0; i < n; i++)
            if (enter(&c[i], list[i], row) < 0)
                return -1;
        measure_row(s, row, c, n, series, baseline);
        progress_done();
        print_row(row, series, n);
        write_row(s, row, c, n, series);
        measured++;
        for (int i = 0; i < n; i++) {
            log_sum[i] += log(series[i].ratio ? series[i].ratio : 1);
            free(series[i].ns);
            leave(&c[i]);
        }
    }
    json_close(s->json, ']');
    if (baseline >= 0 && measured)
        write_geomean(s, list, n, log_sum, measured);
    return 0;
}

int run_calls(struct settings *s, long calls)
{
    struct contender c;
    for (int at = 0; rows[at]; at++) {
        if (s->row && strcmp(s->row, rows[at]->id))
            continue;
        for (int i = 0; i < s->rivals.count; i++) {
            if (!chosen(s, &s->rivals.list[i]))
                continue;
            if (enter(&c, &s->rivals.list[i], rows[at]) < 0)
                return -1;
            long done = rows[at]->call(c.code, calls);
            printf("calls %s %s %ld\n", rows[at]->id, c.rival->name, done);
            leave(&c);
        }
    }
    return 0;
}

/* instructions.py lets callgrind write its counters out whenever this function is entered. */
void callbench_mark(void);
__attribute__((noinline)) void callbench_mark(void)
{
    __asm__ volatile("" : : : "memory");
}

/* Two runs of different lengths between marks. The output tells instructions.py both lengths. */
static void mark_two(const struct row *row, const struct contender *c, long n,
                     long (*run)(const struct row *, const struct contender *, long))
{
    volatile long lengths[] = {10, n, n * 3}; /* read, so that each turn is the same code */
    long done[3];
    for (int i = 0; i < 3; i++) {
        done[i] = run(row, c, lengths[i]);
        callbench_mark();
    }
    printf("marked %s %s %ld %ld\n", row->id, c->rival->name, done[1], done[2]);
}

static long call_it(const struct row *row, const struct contender *c, long n)
{
    return row->call(c->code, n);
}

/* Make `n` closures of the row's signature and free each at once; returns how many. */
static long remake_it(const struct row *row, const struct contender *c, long n)
{
    ffi_cif cif = c->signature.cif;
    void *code, *made;
    long done = 0;
    while (done < n && (made = rival_make(c->rival, &cif, row->handler, NULL, &code))) {
        rival_drop(c->rival, made);
        done++;
    }
    return done;
}

int run_marked(struct settings *s, long n, bool remake)
{
    struct contender c;
    for (int at = 0; rows[at]; at++) {
        if (s->row && strcmp(s->row, rows[at]->id))
            continue;
        for (int i = 0; i < s->rivals.count; i++) {
            const struct rival *r = &s->rivals.list[i];
            if (!chosen(s, r) || (remake && !rival_is_library(r)))
                continue;
            if (enter(&c, r, rows[at]) < 0) {
                if (!s->tolerant)
                    return -1;
                printf("unable %s %s\n", rows[at]->id, r->name);
                leave(&c);
                continue;
            }
            mark_two(rows[at], &c, n, remake ? remake_it : call_it);
            leave(&c);
        }
    }
    return 0;
}
