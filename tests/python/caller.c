/* SPDX-License-Identifier: MIT */
/* caller.c - C code that calls function pointers, for the tests of ffi_static.callback
 *
 * Loaded with ctypes: through CDLL the GIL is released while these run, through PyDLL held.
 */
#define _GNU_SOURCE /* gettid */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*int_int)(int);

int call(int_int f, int x)
{
    return f(x);
}

long long loop(int_int f, int n)
{
    long long sum = 0;
    for (int i = 0; i < n; i++)
        sum += f(i);
    return sum;
}

/* first(a, b), then f(1): `first` is PyErr_SetString */
int call_after(void (*first)(void *, const char *), void *a, const char *b, int_int f)
{
    first(a, b);
    return f(1);
}

double call_double(double (*f)(double, float), double x, float y)
{
    return f(x, y);
}

/* all 64 bits of the result register, for callers that look beyond the type */
long long call_wide(long long (*f)(void))
{
    return f();
}

int call_errno(int_int f, int before)
{
    errno = before;
    f(0);
    return errno;
}

struct job {
    int_int f;
    int n;
    long long sum;
};

static void *run(void *job)
{
    struct job *j = job;
    j->sum = loop(j->f, j->n);
    return NULL;
}

/* `threads` threads, each of which calls f(0..n-1) and ends; the sum, or -1 */
long long in_threads(int_int f, int n, int threads)
{
    pthread_t id[64];
    struct job jobs[64];
    long long sum = 0;
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct job){f, n, 0};
        if (pthread_create(&id[i], NULL, run, &jobs[i]))
            return -1;
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        sum += jobs[i].sum;
    }
    return sum;
}

/* A thread that waits for orders: step() makes it call f once, stop() ends and joins it. */
struct stepper {
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int_int f;
    int order, result; /* order: 0 none, 1 call, 2 end */
};

static void *stepping(void *self)
{
    struct stepper *s = self;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (!s->order)
            pthread_cond_wait(&s->change, &s->lock);
        int order = s->order;
        pthread_mutex_unlock(&s->lock);
        if (order == 2)
            return NULL;
        int result = s->f(1);
        pthread_mutex_lock(&s->lock);
        s->result = result;
        s->order = 0;
        pthread_cond_broadcast(&s->change);
        pthread_mutex_unlock(&s->lock);
    }
}

void *start(int_int f)
{
    struct stepper *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->change, NULL);
    s->f = f;
    if (pthread_create(&s->id, NULL, stepping, s))
        abort();
    return s;
}

static void order(struct stepper *s, int what)
{
    pthread_mutex_lock(&s->lock);
    s->order = what;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}

int step(void *stepper)
{
    struct stepper *s = stepper;
    order(s, 1);
    pthread_mutex_lock(&s->lock);
    while (s->order)
        pthread_cond_wait(&s->change, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return s->result;
}

void stop(void *stepper)
{
    struct stepper *s = stepper;
    order(s, 2);
    pthread_join(s->id, NULL);
    free(s);
}

/* A thread that calls f without end. */
static void *spinning(void *f)
{
    for (;;) {
        ((int_int)f)(1);
        usleep(100);
    }
    return NULL;
}

int spin(int_int f)
{
    pthread_t id;
    return pthread_create(&id, NULL, spinning, (void *)f);
}

/* Call f when the process exits, after Python has been finalized, and print what it gives. */
static int_int last;

static void at_exit(void)
{
    char line[64];
    int n = snprintf(line, sizeof line, "last call gave %d\n", last(1));
    if (write(1, line, (size_t)n) < 0)
        _exit(3);
}

void call_at_exit(int_int f)
{
    last = f;
    atexit(at_exit);
}

/* A thread whose exit runs a callback after other destructors may have run. */
static pthread_key_t key;
static int from_destructor;

static void destructor(void *f)
{
    from_destructor = ((int_int)f)(7);
}

static void *ending(void *f)
{
    ((int_int)f)(1);
    pthread_setspecific(key, f);
    return NULL;
}

int call_in_destructor(int_int f)
{
    pthread_t id;
    pthread_key_create(&key, destructor);
    if (pthread_create(&id, NULL, ending, (void *)f))
        return -1;
    pthread_join(id, NULL);
    pthread_key_delete(key);
    return from_destructor;
}

struct pair {
    double x, y;
};
struct mixed {
    int a;
    char b[3];
    double c;
};
struct large {
    long v[8];
};

struct pair swap_pair(struct pair (*f)(struct pair), double x, double y)
{
    return f((struct pair){x, y});
}

double take_mixed(double (*f)(struct mixed), int a, const char *b, double c)
{
    struct mixed m = {a, {0}, c};
    memcpy(m.b, b, 3);
    return f(m);
}

long take_large(long (*f)(struct large, int), long first, int i)
{
    struct large l;
    for (int k = 0; k < 8; k++)
        l.v[k] = first + k;
    return f(l, i);
}

/* Threads that call f(x) while the caller holds the GIL: they wait for it inside the callback. */
enum { PARKED = 3 };
static struct parked {
    pthread_t id;
    int_int f;
    int x, result;
    atomic_int tid; /* set just before the call */
} parked[PARKED];

static void *run_parked(void *self)
{
    struct parked *p = self;
    p->tid = gettid();
    p->result = p->f(p->x);
    return NULL;
}

/* is thread `tid` of ours asleep, by what the kernel says? */
static int asleep(int tid)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *stat = fopen(path, "r");
    if (!stat)
        return 0;
    int found = fscanf(stat, "%*d (%*[^)]) %c", &state);
    fclose(stat);
    return found == 1 && state == 'S';
}

/* Start them, and return how many sleep in f(x): PARKED, or fewer when that did not come about
 * in ten seconds. Seen asleep five times in a row, because a thread may sleep shortly before. */
int park(int_int f, int x)
{
    int sleeping = 0;
    for (int i = 0; i < PARKED; i++) {
        parked[i].f = f;
        parked[i].x = x;
        parked[i].tid = 0;
        if (pthread_create(&parked[i].id, NULL, run_parked, &parked[i]))
            return -1;
    }
    for (int tries = 0, row = 0; tries < 20000 && row < 5; tries++) {
        sleeping = 0;
        for (int i = 0; i < PARKED; i++)
            sleeping += parked[i].tid && asleep(parked[i].tid);
        row = sleeping == PARKED ? row + 1 : 0;
        usleep(500);
    }
    return sleeping;
}

/* Wait for them, with the GIL released; what their calls returned. */
void unpark(int results[PARKED])
{
    for (int i = 0; i < PARKED; i++) {
        pthread_join(parked[i].id, NULL);
        results[i] = parked[i].result;
    }
}
