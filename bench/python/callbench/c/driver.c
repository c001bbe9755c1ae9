/* SPDX-License-Identifier: MIT */
/* driver.c - the C caller that every rival's callback is handed to
 *
 * The loop runs here and not in Python, so a slice times only callbacks. Loaded with ctypes.CDLL
 * the caller has given up the GIL, with ctypes.PyDLL it holds it. Each drive_*() returns a checksum
 * of the callback's answers. The benchmark knows the right checksum, and does not report a rival
 * with another one. -1 means that a thread could not be made. The c_*() functions are callbacks in
 * plain C, which show the cost of the caller itself. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
#define SORTED 10000

typedef int int_fn(int);
typedef double double_fn(double, double);
typedef size_t pointer_fn(void *, size_t);
typedef int compare_fn(const void *, const void *);

API long long drive_int(void *fn, long calls);
API long long drive_double(void *fn, long calls);
API long long drive_pointer(void *fn, long calls);
API long long drive_qsort(void *fn, long sorts);
API long long drive_one_thread(void *fn, long calls);
API long long drive_fresh_threads(void *fn, long calls);
API int c_int(int x);
API double c_double(double x, double y);
API size_t c_pointer(void *data, size_t size);
API int c_compare(const void *a, const void *b);
API int c_compare_counting(const void *a, const void *b);
API long long c_compared(void);

/* Arguments stay below 128: CPython keeps those integers ready-made, so that the time of its
 * allocator does not cover the time of the call. */
long long drive_int(void *fn, long calls)
{
    long long sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((int_fn *)fn)((int)(i & 127));
    return sum;
}

long long drive_double(void *fn, long calls)
{
    double sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((double_fn *)fn)((double)(i & 127), 0.5);
    return (long long)sum;
}

/* Every second pointer is NULL, for which the callback must answer 0. */
long long drive_pointer(void *fn, long calls)
{
    char byte = 0;
    long long sum = 0;
    for (long i = 0; i < calls; i++)
        sum += (long long)((pointer_fn *)fn)(i & 1 ? &byte : NULL, (size_t)(i & 127));
    return sum;
}

/* Sort the same 10,000 numbers `sorts` times. The number of sorts that came out right. */
long long drive_qsort(void *fn, long sorts)
{
    static int numbers[SORTED];
    long long right = 0;
    for (long s = 0; s < sorts; s++) {
        uint32_t state = 1;
        for (int i = 0; i < SORTED; i++) {
            state = state * 1664525u + 1013904223u;
            numbers[i] = (int)(state >> 8);
        }
        qsort(numbers, SORTED, sizeof *numbers, (compare_fn *)fn);
        int ordered = 1;
        for (int i = 1; i < SORTED; i++)
            ordered &= numbers[i - 1] <= numbers[i];
        right += ordered;
    }
    return right;
}

struct work {
    void *fn;
    long calls;
    long long sum;
};

static void *run(void *argument)
{
    struct work *work = argument;
    work->sum = drive_int(work->fn, work->calls);
    return NULL;
}

static int run_in_thread(struct work *work)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, work) != 0)
        return -1;
    return pthread_join(thread, NULL) == 0 ? 0 : -1;
}

/* One thread that Python knows nothing of makes all the calls. */
long long drive_one_thread(void *fn, long calls)
{
    struct work work = {fn, calls, 0};
    return run_in_thread(&work) == 0 ? work.sum : -1;
}

/* A new thread for each call, as in a library that starts its own workers. Each thread asks for 0,
 * so the sum is `calls` times the answer to 0. */
long long drive_fresh_threads(void *fn, long calls)
{
    long long sum = 0;
    for (long i = 0; i < calls; i++) {
        struct work work = {fn, 1, 0};
        if (run_in_thread(&work) != 0)
            return -1;
        sum += work.sum;
    }
    return sum;
}

int c_int(int x)
{
    return x + 1;
}

double c_double(double x, double y)
{
    return x + y;
}

size_t c_pointer(void *data, size_t size)
{
    return data != NULL ? size : 0;
}

int c_compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static long long compared;

int c_compare_counting(const void *a, const void *b)
{
    compared++;
    return c_compare(a, b);
}

/* How many times c_compare_counting() has run. */
long long c_compared(void)
{
    return compared;
}
