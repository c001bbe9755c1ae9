/* SPDX-License-Identifier: MIT */
/* dropin.c - the C caller of dropin.py: one loop for each signature, and one in a thread of its own
 *
 * Arguments stay below 128: CPython keeps those integers ready-made. The sum is what the callbacks
 * answered, which is their first argument. */
#include <pthread.h>
#include <stddef.h>

#define API __attribute__((visibility("default")))

typedef int int_1(int);
typedef int int_6(int, int, int, int, int, int);
typedef double mixed_6(int, double, long, double, void *, int);
typedef long buffer(void *, size_t);
struct pair {
    double x, y;
};
typedef double by_value(struct pair);

API long long drive_int_1(void *f, long calls);
API long long drive_int_6(void *f, long calls);
API long long drive_mixed_6(void *f, long calls);
API long long drive_buffer(void *f, long calls);
API long long drive_pair(void *f, long calls);
API long long drive_thread(void *f, long calls);
API long long drive_threads(void *f, long calls, int threads);

long long drive_int_1(void *f, long calls)
{
    long long sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((int_1 *)f)((int)(i & 127));
    return sum;
}

long long drive_int_6(void *f, long calls)
{
    long long sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((int_6 *)f)((int)(i & 127), 1, 2, 3, 4, 5);
    return sum;
}

long long drive_mixed_6(void *f, long calls)
{
    double sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((mixed_6 *)f)((int)(i & 127), 0.5, 2, 0.25, 0, 5);
    return (long long)sum;
}

long long drive_buffer(void *f, long calls)
{
    long long sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((buffer *)f)(&sum, (size_t)(i & 127));
    return sum;
}

long long drive_pair(void *f, long calls)
{
    double sum = 0;
    for (long i = 0; i < calls; i++)
        sum += ((by_value *)f)((struct pair){(double)(i & 127), 0.5});
    return (long long)sum;
}

struct job {
    void *f;
    long calls;
    long long sum;
};

static void *run(void *p)
{
    struct job *job = p;
    job->sum = drive_int_1(job->f, job->calls);
    return 0;
}

/* The same from threads that Python has not made, each of which makes so many calls. -1 when a
 * thread could not be made. */
long long drive_threads(void *f, long calls, int threads)
{
    enum { MOST = 64 };
    struct job jobs[MOST];
    pthread_t ids[MOST];
    long long sum = 0;
    int made = 0;
    for (; made < threads && made < MOST; made++) {
        jobs[made] = (struct job){f, calls, -1};
        if (pthread_create(&ids[made], 0, run, &jobs[made]))
            break;
    }
    for (int i = 0; i < made; i++) {
        pthread_join(ids[i], 0);
        sum += jobs[i].sum;
    }
    return made == threads ? sum : -1;
}

long long drive_thread(void *f, long calls)
{
    return drive_threads(f, calls, 1);
}
