/* SPDX-License-Identifier: MIT */
/* fresh_sections.c - memory and mappings per closure, and the time to the first closure
 *
 * Both run in fresh processes (fresh.c). Memory: the growth of Pss and Rss in
 * /proc/self/smaps_rollup, and of the lines of /proc/self/maps, after warming up both readers;
 * the lists that the benchmark itself needs are populated before. First closure: alloc + prep +
 * one checked call, after the library is loaded and the cif prepared, the median over processes.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* An architecture that lacks the first call of a pair has the second for the same work. */
#ifndef SYS_mmap
#define SYS_mmap SYS_mmap2
#endif
#ifndef SYS_newfstatat
#define SYS_newfstatat SYS_fstatat64
#endif
#ifndef SYS_fstat
#define SYS_fstat SYS_newfstatat
#endif

extern const struct row row_int_int;

struct footprint {
    double pss, rss, maps;
};

static double kib_of(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    return at ? strtod(at + strlen(field), NULL) * 1024 : NAN;
}

static struct footprint footprint(void)
{
    static char text[1 << 16];
    struct footprint f = {NAN, NAN, 0};
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    if (got > 0) {
        text[got] = 0;
        f.pss = kib_of(text, "\nPss:");
        f.rss = kib_of(text, "\nRss:");
    }
    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while ((got = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < got; i++)
            f.maps += text[i] == '\n';
    close(fd);
    return f;
}

static const struct rival *the_one(const struct settings *s)
{
    const struct rival *r = s->only ? rival_find(&s->rivals, s->only) : NULL;
    if (!r)
        fprintf(stderr, "callbench: --child needs --only with a rival's name\n");
    return r;
}

int child_memory(struct settings *s, long n)
{
    const struct rival *r = the_one(s);
    struct signature signature;
    void **codes = mmap(NULL, (size_t)n * sizeof *codes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (!r || codes == MAP_FAILED || signature_prepare(r, row_int_int.signature, &signature) < 0)
        return -1;
    footprint();
    struct footprint before = footprint();
    double limit = now_ns() + s->patience * 1e9;
    long made = 0;
    for (; made < n; made++) {
        if (!rival_make(r, &signature.cif, row_int_int.handler, NULL, &codes[made]))
            break;
        if (made % 1024 == 0 && now_ns() > limit)
            break;
    }
    struct footprint after = footprint();
    if (made && !row_int_int.check(codes[made - 1]))
        return -1;
    printf("%ld %.0f %.0f %.0f\n", made, after.pss - before.pss, after.rss - before.rss,
           after.maps - before.maps);
    return 0;
}

int child_first(struct settings *s, bool marked)
{
    const struct rival *r = the_one(s);
    struct signature signature;
    void *code = NULL;
    if (!r || signature_prepare(r, row_int_int.signature, &signature) < 0)
        return -1;
    now_ns();
    row_int_int.check(row_int_int.direct); /* our own code is warm; the library's is not */
    double start = now_ns();
    if (marked)
        syscall(MARK_SYSCALL);
    void *closure = rival_make(r, &signature.cif, row_int_int.handler, NULL, &code);
    double made = now_ns();
    bool right = closure && ((int (*)(int))code)(7) == 22;
    if (marked)
        syscall(MARK_SYSCALL);
    double called = now_ns();
    if (!right) {
        fprintf(stderr, "callbench: '%s': the first closure failed\n", r->name);
        return -1;
    }
    printf("%.0f %.0f\n", made - start, called - start);
    return 0;
}

static int memory_of(struct settings *s, const struct rival *r, long n)
{
    double got[4];
    if (fresh_run(s, "memory", r, n, got, 4) != 4)
        return -1;
    double made = fmax(got[0], 1);
    printf("%-36s %9ld %14.14s %9.1f %9.1f %12.6f", "memory", n, r->name, got[1] / made,
           got[2] / made, got[3] / made);
    json_open(s->json, r->name, '{');
    json_number(s->json, "made", got[0]);
    json_number(s->json, "pss_bytes", got[1] / made);
    json_number(s->json, "rss_bytes", got[2] / made);
    json_number(s->json, "vmas", got[3] / made);
    if (got[0] < (double)n) {
        json_text(s->json, "note", "made only this many: refused, or out of patience");
        printf("   (made only %.0f)", got[0]);
    }
    json_close(s->json, '}');
    printf("\n");
    fflush(stdout);
    return 0;
}

int section_memory(struct settings *s)
{
    static const long levels[] = {1000, 100000, 1000000};
    printf("\nper closure, in a fresh process\n%-36s %9s %14s %9s %9s %12s\n", "", "live", "rival",
           "PSS B", "RSS B", "VMAs");
    json_open(s->json, "memory", '[');
    for (size_t l = 0; l < sizeof levels / sizeof *levels && levels[l] <= s->max_live; l++) {
        json_open(s->json, NULL, '{');
        json_number(s->json, "live", (double)levels[l]);
        json_open(s->json, "rivals", '{');
        for (int i = 0; i < s->rivals.count; i++) {
            const struct rival *r = &s->rivals.list[i];
            if (!chosen(s, r) || !rival_is_library(r))
                continue;
            progress("memory of %ld closures: %s", levels[l], r->name);
            if (memory_of(s, r, levels[l]) < 0)
                return -1;
        }
        progress_done();
        json_close(s->json, '}');
        json_close(s->json, '}');
    }
    json_close(s->json, ']');
    return 0;
}

static const char *syscall_name(long nr, char *buffer, size_t size)
{
    static const struct {
        long nr;
        const char *name;
    } names[] = {
        {SYS_mmap, "mmap"},
        {SYS_munmap, "munmap"},
        {SYS_mprotect, "mprotect"},
        {SYS_mremap, "mremap"},
        {SYS_openat, "openat"},
        {SYS_close, "close"},
        {SYS_read, "read"},
        {SYS_write, "write"},
        {SYS_lseek, "lseek"},
        {SYS_fstat, "fstat"},
        {SYS_newfstatat, "fstat"},
        {SYS_statfs, "statfs"},
        {SYS_ftruncate, "ftruncate"},
        {SYS_unlinkat, "unlinkat"},
        {SYS_memfd_create, "memfd_create"},
        {SYS_getrandom, "getrandom"},
        {SYS_brk, "brk"},
        {SYS_futex, "futex"},
        {SYS_prctl, "prctl"},
        {SYS_getpid, "getpid"},
        {SYS_fallocate, "fallocate"},
        {SYS_faccessat, "faccessat"},
        {SYS_fcntl, "fcntl"},
        {SYS_madvise, "madvise"},
#ifdef SYS_open
        {SYS_open, "open"},
        {SYS_unlink, "unlink"},
        {SYS_access, "access"},
#endif
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].nr == nr)
            return names[i].name;
    snprintf(buffer, size, "syscall %ld", nr);
    return buffer;
}

static void write_syscalls(struct settings *s, const struct rival *r)
{
    long numbers[64];
    char text[1024] = "", buffer[24];
    int count;
    fresh_count_syscalls(s, r, numbers, 64, &count);
    if (count < 0) {
        snprintf(text, sizeof text, "not measured: ptrace: %s", strerror(-count));
        json_text(s->json, "syscalls_note", text);
        printf("  system calls %s\n", text);
        return;
    }
    for (int i = 0; i < count && i < 64; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "",
                 syscall_name(numbers[i], buffer, sizeof buffer));
    }
    json_number(s->json, "syscalls", count);
    json_text(s->json, "syscall_names", text);
    printf(" %12d  %s\n", count, text);
    fflush(stdout);
}

static int first_of(struct settings *s, const struct rival *r, double *made, double *called, int n)
{
    json_open(s->json, r->name, '{');
    double made_ns = median(made, n), called_ns = median(called, n);
    json_number(s->json, "made_ns", made_ns);
    json_number(s->json, "called_ns", called_ns);
    json_number(s->json, "q1", quantile_sorted(called, n, 0.25));
    json_number(s->json, "q3", quantile_sorted(called, n, 0.75));
    json_number(s->json, "processes", n);
    printf("%-36s %14.14s %9.1f %9.1f", "first closure", r->name, made_ns / 1e3, called_ns / 1e3);
    write_syscalls(s, r);
    json_close(s->json, '}');
    return 0;
}

int section_first(struct settings *s)
{
    enum { MOST = 101 };
    static double made[MAX_RIVALS][MOST], called[MAX_RIVALS][MOST];
    int n = s->quick ? 3 : MOST;
    printf("\ntime to the first closure in a fresh process\n%-36s %14s %9s %9s %12s\n", "", "rival",
           "made us", "called us", "system calls");
    for (int k = 0; k < n; k++)
        for (int p = 0; p < s->rivals.count; p++) {
            int i = turn(k, p, s->rivals.count);
            const struct rival *r = &s->rivals.list[i];
            double got[2];
            if (!chosen(s, r) || !rival_is_library(r))
                continue;
            if (k % 20 == 0)
                progress("first closure, process %d of %d: %s", k + 1, n, r->name);
            if (fresh_run(s, "first", r, 1, got, 2) != 2)
                return -1;
            made[i][k] = got[0];
            called[i][k] = got[1];
        }
    progress_done();
    json_open(s->json, "first", '{');
    for (int i = 0; i < s->rivals.count; i++)
        if (chosen(s, &s->rivals.list[i]) && rival_is_library(&s->rivals.list[i]))
            first_of(s, &s->rivals.list[i], made[i], called[i], n);
    json_close(s->json, '}');
    return 0;
}
