/* SPDX-License-Identifier: MIT */
/* bench.h - what the sections of callbench share: settings, clock, medians, progress, JSON
 *
 * Method. Machines are noisy, so times are compared only within one process and one run. Each rival
 * gets a slice of about `slice_ns`, and the rivals take turns in a rotating order. A result is the
 * median over all rounds. A ratio is the median of the ratios within each round.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include "rival.h"
#include "row.h"

#define MAX_ROUNDS 1001

struct settings {
    struct rivals rivals;
    const char *only; /* NULL: every rival */
    const char *row;  /* NULL: every row */
    bool quick;
    bool tolerant; /* run_marked(): leave out of a row who cannot serve it, or answers wrongly */
    int cpu;       /* where we are pinned; -1: not */
    int rounds;
    double slice_ns;
    long max_live;   /* the largest number of closures at a time */
    double patience; /* seconds that one rival may take to make its closures */
    char *text_note; /* why RIVAL_TEXT is left out; NULL: it is not */
    char **argv;     /* to run ourselves again, as a fresh process */
    FILE *json;
};

/* ---- measure.c */
double now_ns(void);                      /* CLOCK_MONOTONIC */
int pin_to_cpu(int cpu);                  /* -1: the last one that we may use; returns it, or -1 */
double median(double *values, int count); /* sorts; `count` > 0 */
double quantile_sorted(const double *values, int count, double q);
/* One line on stderr: what is running. Rewritten in place on a terminal. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_done(void);
bool chosen(const struct settings *s, const struct rival *r);

/* A rival's column of one measurement: a value per round. */
struct series {
    double *ns; /* per call or operation */
    int count;
    double median, q1, q3, ratio; /* ratio: baseline / this, > 1 is faster; 0: unknown */
};
/* Fill in the medians of `n` series with the same rounds; `baseline` may be -1. */
void series_finish(struct series *all, int n, int baseline);
/* The order of rivals in round `k`: rotated, and backwards every other time. */
int turn(int round, int position, int count);

/* ---- json.c: a writer that cannot produce a misplaced comma */
void json_open(FILE *f, const char *key, char bracket); /* '{' or '['; key NULL in an array */
void json_close(FILE *f, char bracket);
void json_text(FILE *f, const char *key, const char *value); /* NULL becomes null */
void json_number(FILE *f, const char *key, double value);    /* not finite becomes null */

/* ---- the sections; each prints a table, and writes one member of the JSON object.
 * 0, or -1 after a message. */
int section_calls(struct settings *s);
int section_live(struct settings *s);
int section_memory(struct settings *s);
int section_first(struct settings *s);

/* One rival, one row, `calls` calls, nothing timed: what callgrind looks at. */
int run_calls(struct settings *s, long calls);
/* All rows and rivals with marks around two run lengths, for instructions.py: `n` calls, or, to
 * `remake`, `n` closures that are made and freed. */
int run_marked(struct settings *s, long n, bool remake);

/* The work of a fresh process for the sections `memory` and `first` (`--child`). */
int child_memory(struct settings *s, long closures);
int child_first(struct settings *s, bool marked);

/* fresh.c: run ourselves again with `--child what` for one rival, and read up to `max` numbers
 * from its output. Returns how many there were, or -1 after a message. When `syscalls` is not
 * NULL, the child runs under ptrace, and the numbers of the system calls between its two marks
 * go there (at most `max_syscalls`); *count is how many there were, or -errno. */
int fresh_run(struct settings *s, const char *what, const struct rival *r, long n, double *out,
              int max);
int fresh_count_syscalls(struct settings *s, const struct rival *r, long *syscalls, int max,
                         int *count);
/* A system call that does not exist: the marks of fresh_count_syscalls(). */
#define MARK_SYSCALL 0x7a5fL

#endif
