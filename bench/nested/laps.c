/* SPDX-License-Identifier: MIT */
/* laps.c - times the ways of variant.c in one process, in turns, and says the ratios
 *
 *   laps name=path...     the first is what the others are compared with
 *   laps -m name=path     memory: bytes for each pointer that is alive, mappings that are W+X
 *
 * The ways take turns in short slices on one CPU; a time is the median of its slices, a ratio the
 * median of the ratios of neighbouring slices. The first is measured twice, as `again`: what that
 * ratio is off 1 is noise. Prints a Markdown table. Wrong answers end the run.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAYS = 8, SLICES = 301, TURNS = 2000, DEPTH = 200000 };

struct way {
    const char *name, *path;
    long (*rows[2])(long);
    long (*make_many)(long, void (*)(void));
    double time[2][SLICES];
};

static struct way ways[WAYS];
static int count;
static const char *const row_names[] = {"create, call, delete", "call"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void load(struct way *w, const char *argument)
{
    char *name = strdup(argument), *path = strchr(name, '=');
    if (!path)
        exit(2);
    *path++ = '\0';
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "laps: %s\n", dlerror());
        exit(2);
    }
    w->name = name;
    w->path = path;
    w->rows[0] = (long (*)(long))dlsym(library, "make_and_call");
    w->rows[1] = (long (*)(long))dlsym(library, "call_only");
    w->make_many = (long (*)(long, void (*)(void)))dlsym(library, "make_many");
}

static double slice(const struct way *w, int row)
{
    double start = now();
    long sum = w->rows[row](TURNS);
    double end = now();
    if (sum != (row ? 0 : (long)TURNS * (TURNS + 1) / 2)) {
        fprintf(stderr, "laps: %s gives a wrong answer\n", w->name);
        exit(1);
    }
    return (end - start) / TURNS;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[SLICES];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, SLICES, sizeof *sorted, ascending);
    return sorted[SLICES / 2];
}

/* --- memory ----------------------------------------------------------------------------------- */

static size_t private_bytes(void)
{
    char line[256];
    size_t total = 0, part;
    int is_stack = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) /* this thread's stack is not counted */
            is_stack = (unsigned long)&from >= from && (unsigned long)&from < to;
        else if (!is_stack && (sscanf(line, "Private_Dirty: %zu", &part) == 1))
            total += part * 1024;
    }
    if (maps)
        fclose(maps);
    return total;
}

static size_t executable_and_writable(void)
{
    char line[512], rights[5];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        n += sscanf(line, "%*s %4s", rights) == 1 && rights[1] == 'w' && rights[2] == 'x';
    if (maps)
        fclose(maps);
    return n;
}

static size_t before;
static const char *said;

static void tell(void)
{
    printf("| %s | %.1f | %zu |\n", said, (double)(private_bytes() - before) / DEPTH,
           executable_and_writable());
    fflush(stdout);
}

static void *many(void *way)
{
    const struct way *w = way;
    w->rows[0](10);
    said = w->name;
    before = private_bytes();
    w->make_many(DEPTH, tell);
    return NULL;
}

/* In a thread whose stack has room. */
static int measure_memory(struct way *w)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 28);
    return pthread_create(&thread, &attributes, many, w) != 0 || pthread_join(thread, NULL) != 0;
}

int main(int argc, char **argv)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    if (argc == 3 && !strcmp(argv[1], "-m")) {
        load(&ways[0], argv[2]);
        return measure_memory(&ways[0]);
    }
    if (argc < 2 || argc >= WAYS)
        return 2;
    for (int i = 1; i < argc; i++)
        load(&ways[count++], argv[i]);
    ways[count] = ways[0];
    ways[count++].name = "again";
    for (int i = 0; i < count; i++)
        for (int row = 0; row < 2; row++)
            slice(&ways[i], row); /* once for the caches */
    for (int s = 0; s < SLICES; s++)
        for (int row = 0; row < 2; row++)
            for (int i = 0; i < count; i++)
                ways[i].time[row][s] = slice(&ways[i], row);
    for (int row = 0; row < 2; row++) {
        printf("| %s | ns | times %s |\n|---|---:|---:|\n", row_names[row], ways[0].name);
        for (int i = 0; i < count; i++) {
            double ratio[SLICES];
            for (int s = 0; s < SLICES; s++)
                ratio[s] = ways[i].time[row][s] / ways[0].time[row][s];
            printf("| %s | %.1f | %.2f |\n", ways[i].name, median(ways[i].time[row]),
                   median(ratio));
        }
        puts("");
    }
    return 0;
}
