/* SPDX-License-Identifier: MIT */
/* caller.c - C code that calls function pointers, for the tests of ffi_static.callback
 *
 * Loaded with ctypes: through CDLL the GIL is released while these run, through PyDLL held.
 */
#define _GNU_SOURCE /* gettid */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

/* what C sees of a char that has its highest bit set: 1, where it is a char of C's own sign */
int call_char(char (*f)(void))
{
    return f() == (char)0xff;
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

/* Does the kernel say that thread `tid` of this process sleeps? */
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

/* ---- calls after Python has gone ----
 *
 * Each registers a handler that exit() runs when Python has been finalized, and prints what C got.
 */
static void say(const char *format, int number)
{
    char line[64];
    int n = snprintf(line, sizeof line, format, number);
    if (write(1, line, (size_t)n) < 0)
        _exit(3);
}

/* The callback, of one of three types. */
struct large3 {
    long v[3];
};
static union {
    int_int number;
    void (*nothing)(int);
    struct large3 (*large)(int);
} late;
static char late_kind; /* 'i', 'v', 's' */

static void call_late(const char *who)
{
    char format[64];
    int result = 0;
    if (late_kind == 'i') {
        result = late.number(1);
    } else if (late_kind == 'v') {
        late.nothing(1);
    } else {
        struct large3 l = late.large(1);
        result = (int)(l.v[0] * 100 + l.v[1] * 10 + l.v[2]);
    }
    snprintf(format, sizeof format, late_kind == 'v' ? "%s returned\n" : "%s got %%d\n", who);
    say(format, result);
}

static int order_pipe[2];
static pthread_t late_id;
static atomic_int late_tid, late_done, late_forks;

static void wait_for_child(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        _exit(4);
    if (WIFSIGNALED(status))
        say("child died by signal %d\n", WTERMSIG(status));
    else
        say("child exited with %d\n", WEXITSTATUS(status));
}

static void fork_late(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        call_late("child");
        _exit(0);
    }
    wait_for_child(pid);
}

static void *wait_for_order(void *unused)
{
    char c;
    (void)unused;
    late_tid = gettid();
    if (read(order_pipe[0], &c, 1) != 1)
        _exit(5);
    if (late_forks)
        fork_late();
    else
        call_late("thread");
    late_done = 1;
    return NULL;
}

/* Let the thread call, and wait until it has come back or sleeps in its call. */
static void order_late(void)
{
    if (write(order_pipe[1], "x", 1) != 1)
        _exit(6);
    for (int row = 0; row < 20 && !late_done;) {
        row = !late_forks && asleep(late_tid) ? row + 1 : 0;
        usleep(500);
    }
    if (!late_done)
        say("thread stopped\n", 0);
}

static void order_and_cancel(void)
{
    void *result;
    order_late();
    pthread_cancel(late_id);
    pthread_join(late_id, &result);
    say("joined, cancelled: %d\n", result == PTHREAD_CANCELED);
}

static void call_late_here(void)
{
    call_late("main");
}

/* where: 't' another thread; 'c' the same, which is then cancelled; 'm' the thread that exits; 'f'
 * a child that it forks; 'g' a child that another thread forks */
int call_when_gone(void *f, char kind, char where)
{
    late.number = (int_int)f;
    late_kind = kind;
    if (where == 'm' || where == 'f')
        return atexit(where == 'm' ? call_late_here : fork_late);
    late_forks = where == 'g';
    if (pipe(order_pipe) || pthread_create(&late_id, NULL, wait_for_order, NULL))
        return -1;
    while (!late_tid)
        usleep(100);
    return atexit(where == 'c' ? order_and_cancel : order_late);
}

/* Threads that call f(7), which is 8, to the end of the process, and at the end: how many answers
 * were wrong. */
static atomic_long calls, wrong;

static void *calling(void *f)
{
    for (;;) {
        wrong += ((int_int)f)(7) != 8;
        calls++;
        usleep(100);
    }
    return NULL;
}

static void count_wrong(void)
{
    long before, rounds = 0, start = calls;
    do { /* until they have stopped, or have called on for long enough */
        before = calls;
        usleep(20000);
    } while (++rounds < 5 || (calls != before && calls < start + 400));
    say("%d answers were wrong\n", (int)wrong);
}

int call_to_the_end(int_int f, int threads)
{
    pthread_t id;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&id, NULL, calling, (void *)f))
            return -1;
    return atexit(count_wrong);
}

/* In a thread of Python's */
void call_without_end(int_int f)
{
    calling((void *)f);
}

/* The same, but a wrong answer ends the process. */
static void *calling_strictly(void *f)
{
    for (;;)
        if (((int_int)f)(7) != 8)
            _exit(99);
    return NULL;
}

int call_strictly(int_int f, int threads)
{
    pthread_t id;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&id, NULL, calling_strictly, (void *)f))
            return -1;
    return 0;
}

/* What a function returns to a caller whose stack was full of ones. */
static void __attribute__((noinline)) fill_stack(void)
{
    volatile unsigned char room[8192];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0xff;
}

void *dirty_pointer(void *(*f)(void *))
{
    fill_stack();
    return f(NULL);
}

double dirty_double(double (*f)(double, float))
{
    fill_stack();
    return f(1, 1);
}

/* all bits of the register */
long long dirty_wide(long long (*f)(int))
{
    fill_stack();
    return f(1);
}

/* ---- a thread that is slow where CPython makes its thread state ----
 *
 * CPython's allocator for use without the GIL, PYMEM_DOMAIN_RAW, as Include/cpython/pymem.h has it.
 */
static struct allocator {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
} usual;
static __thread int is_slow;
static atomic_int making, making_done;
static pthread_t slow_id;
static int slow_result;

static void be_slow(void)
{
    if (is_slow) {
        is_slow = 0;
        making = 1;
        usleep(500000);
        making_done = 1;
    }
}

static void *slow_malloc(void *context, size_t size)
{
    be_slow();
    return usual.malloc(context, size);
}

static void *slow_calloc(void *context, size_t n, size_t size)
{
    be_slow();
    return usual.calloc(context, n, size);
}

static void *call_slowly(void *f)
{
    is_slow = 1;
    slow_result = ((int_int)f)(7);
    return NULL;
}

/* Start a thread that calls f(7); return while it makes its state. */
int start_slowly(int_int f)
{
    void (*get)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void (*set)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    get(0, &usual);
    struct allocator slow = usual;
    slow.malloc = slow_malloc;
    slow.calloc = slow_calloc;
    set(0, &slow);
    if (pthread_create(&slow_id, NULL, call_slowly, (void *)f))
        return -1;
    while (!making)
        usleep(100);
    return 0;
}

int has_got_its_state(void)
{
    return making_done;
}

int end_slowly(void)
{
    pthread_join(slow_id, NULL);
    return slow_result;
}
