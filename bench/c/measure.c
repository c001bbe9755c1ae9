/* SPDX-License-Identifier: MIT */
/* measure.c - clock, pinning, medians, and the progress line */
#define _GNU_SOURCE
#include "bench.h"
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int pin_to_cpu(int cpu)
{
    cpu_set_t set;
    if (cpu < 0) {
        if (sched_getaffinity(0, sizeof set, &set) < 0)
            return -1;
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                cpu = i;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -1 : cpu;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile_sorted(const double *values, int count, double q)
{
    double at = q * (count - 1);
    int low = (int)at;
    int high = low + 1 < count ? low + 1 : low;
    return values[low] + (values[high] - values[low]) * (at - low);
}

double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return quantile_sorted(values, count, 0.5);
}

void series_finish(struct series *all, int n, int baseline)
{
    double ratios[MAX_ROUNDS];
    for (int i = 0; i < n; i++) {
        struct series *s = &all[i];
        s->ratio = 0;
        if (baseline < 0 || !s->count || s->count != all[baseline].count || s->count > MAX_ROUNDS)
            continue;
        for (int k = 0; k < s->count; k++)
            ratios[k] = all[baseline].ns[k] / s->ns[k];
        s->ratio = median(ratios, s->count);
    }
    for (int i = 0; i < n; i++) {
        struct series *s = &all[i];
        s->median = s->q1 = s->q3 = NAN;
        if (!s->count)
            continue;
        s->median = median(s->ns, s->count);
        s->q1 = quantile_sorted(s->ns, s->count, 0.25);
        s->q3 = quantile_sorted(s->ns, s->count, 0.75);
    }
}

int turn(int round, int position, int count)
{
    int at = (round / 2 + position) % count;
    return round & 1 ? count - 1 - at : at;
}

static bool line_open;

void progress(const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[Kcallbench: %.*s", 68, text);
        line_open = true;
    } else {
        fprintf(stderr, "callbench: %s\n", text);
    }
    fflush(stderr);
}

void progress_done(void)
{
    if (line_open)
        fprintf(stderr, "\r\033[K");
    line_open = false;
}

bool chosen(const struct settings *s, const struct rival *r)
{
    return !s->only || !strcmp(s->only, r->name);
}
