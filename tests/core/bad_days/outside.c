/* SPDX-License-Identifier: MIT */
/* outside.c - whatever the library calls outside of itself, it calls without its lock
 *
 * The program's stat(), open(), malloc(), __register_frame() and the like stand before libc's. Each
 * lets another thread call a function of the library that takes the lock, and waits for the answer;
 * or does not answer at all, as a dead file system does. A library that holds its lock meanwhile
 * hangs, and alarm() ends the program: no case measures a time.
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum what { STAT, OPEN, FSTAT, READ, CLOSE, FCNTL, MEMFD, GETENV, FORMAT, HEAP, REGISTER, FORGET };
static int seen[FORGET + 1];

static _Thread_local bool watched; /* is this thread inside the library? */
static sem_t asked, answered;
static atomic_bool dead; /* stat() does not answer before `revived` */
static sem_t reached, revived;

static void *answers(void *data)
{
    for (;;) {
        CHECK_EQ(sem_wait(&asked), 0);
        (void)test_stats();
        CHECK_EQ(sem_post(&answered), 0);
    }
    return data;
}

static void begin(void)
{
    pthread_t thread;
    alarm(60);
    CHECK_EQ(sem_init(&asked, 0, 0) | sem_init(&answered, 0, 0), 0);
    CHECK_EQ(sem_init(&reached, 0, 0) | sem_init(&revived, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, answers, NULL), 0);
    CHECK_EQ(pthread_detach(thread), 0);
}

static void outside(enum what what)
{
    if (!watched)
        return;
    int kept = errno;
    watched = false;
    seen[what]++;
    CHECK_EQ(sem_post(&asked), 0);
    CHECK_EQ(sem_wait(&answered), 0);
    watched = true;
    errno = kept;
}

/* --- what stands before libc's -------------------------------------------------------------- */

int stat(const char *path, struct stat *st)
{
    outside(STAT);
    if (watched && atomic_load(&dead)) {
        CHECK_EQ(sem_post(&reached), 0);
        CHECK_EQ(sem_wait(&revived), 0);
    }
    return fstatat(AT_FDCWD, path, st, 0);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    outside(OPEN);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int fstat(int fd, struct stat *st)
{
    outside(FSTAT);
    return fstatat(fd, "", st, AT_EMPTY_PATH);
}

ssize_t read(int fd, void *buffer, size_t size)
{
    outside(READ);
    return syscall(SYS_read, fd, buffer, size);
}

int close(int fd)
{
    outside(CLOSE);
    return (int)syscall(SYS_close, fd);
}

int fcntl(int fd, int what, ...)
{
    va_list rest;
    va_start(rest, what);
    long argument = va_arg(rest, long);
    va_end(rest);
    outside(FCNTL);
    return (int)syscall(SYS_fcntl, fd, what, argument);
}

int memfd_create(const char *name, unsigned flags)
{
    outside(MEMFD);
    return (int)syscall(SYS_memfd_create, name, flags);
}

char *secure_getenv(const char *name)
{
    outside(GETENV);
    return getenv(name);
}

static int (*libc_vsnprintf)(char *, size_t, const char *, va_list);

__attribute__((constructor)) static void find_the_next(void)
{
    *(void **)&libc_vsnprintf = dlsym(RTLD_NEXT, "vsnprintf");
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    outside(FORMAT);
    return libc_vsnprintf(buffer, size, format, args);
}

/* The unwinder: knows nothing, says nothing. */
void __register_frame(void *frames);
void __register_frame(void *frames)
{
    (void)frames;
    outside(REGISTER);
}

void __deregister_frame(void *frames);
void __deregister_frame(void *frames)
{
    (void)frames;
    outside(FORGET);
}

/* An allocator with a lock and with fork handlers, as jemalloc's. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *old);

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_lock;
static atomic_int waiting; /* for the heap's lock */

static void enter_heap(void)
{
    outside(HEAP);
    if (!atomic_load(&has_lock))
        return;
    atomic_fetch_add(&waiting, 1);
    pthread_mutex_lock(&heap);
    atomic_fetch_sub(&waiting, 1);
    pthread_mutex_unlock(&heap);
}

void *malloc(size_t size)
{
    enter_heap();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    enter_heap();
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    enter_heap();
    return __libc_realloc(old, size);
}

void free(void *old)
{
    enter_heap();
    __libc_free(old);
}

/* --- each is called without the lock -------------------------------------------------------- */

static size_t make_watched(size_t have, size_t n)
{
    watched = true;
    while (have < n && (many[have].closure = api.alloc(sizeof(ffi_static_closure), 0, NULL)))
        have++;
    watched = false;
    return have;
}

static void free_watched(size_t have)
{
    watched = true;
    for (size_t i = 0; i < have; i++)
        if (api.release(many[i].closure))
            test_fail(__FILE__, __LINE__, "free of number %zu", i);
    watched = false;
}

/* Up, down and up again; nothing is made by the thread before that. */
static void up_and_down(void)
{
    begin();
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(make_watched(0, MANY), MANY);
        free_watched(MANY);
    }
    CHECK(seen[GETENV] > 0);
    CHECK_EQ(test_stats().live, 0);
    CHECK(test_stats().unmaps > 0);
}

CASE(tables_come_and_go)
{
    up_and_down();
    const char *order = getenv("FFI_STATIC_PROVIDER");
    if (order && strstr(order, "file"))
        CHECK(seen[STAT] && seen[OPEN] && seen[FSTAT] && seen[READ] && seen[CLOSE]);
    if (order && strstr(order, "memfd"))
        CHECK(seen[MEMFD] && seen[FCNTL] && seen[CLOSE]);
    CHECK_EQ(seen[REGISTER] + seen[FORGET], 0);
}

/* Run with FFI_STATIC_UNWIND=1. */
CASE(the_unwinder_is_told)
{
    up_and_down();
    CHECK(seen[HEAP] && seen[REGISTER] && seen[FORGET]);
    CHECK_EQ(seen[REGISTER], test_stats().maps);
    CHECK_EQ(seen[FORGET], test_stats().unmaps);
}

/* Run with FFI_STATIC_PROVIDER=resident,trampfd, where there is no such device, and with a name
 * that does not exist. */
CASE(a_refusal_is_put_into_words)
{
    begin();
    CHECK(make_watched(0, MANY) < MANY);
    CHECK(seen[FORMAT] > 0);
    char why[128];
    watched = true;
    int error = ffi_static_provider_probe("file", why, sizeof why);
    watched = false;
    CHECK_EQ(error, 0);
}

/* --- a path that does not answer ------------------------------------------------------------ */

static void *makes_a_table(void *data)
{
    struct made *made = data;
    watched = true; /* from its first call of the library */
    do
        CHECK(test_make_small(++made, 7));
    while (strcmp(api.provider_of(made->code), "file"));
    watched = false;
    test_call_small(made);
    return data;
}

static void *makes_one(void *data)
{
    struct made made;
    CHECK(test_make_small(&made, 3));
    test_call_small(&made);
    test_free(&made);
    return data;
}

/* Run with FFI_STATIC_PROVIDER=resident,file. Only who needs the table waits for it. */
CASE(others_go_on_while_a_path_does_not_answer)
{
    pthread_t maker, other;
    begin();
    CHECK_EQ(test_make_many_small(many, 100), 100);
    atomic_store(&dead, true);
    CHECK_EQ(pthread_create(&maker, NULL, makes_a_table, many + 200), 0);
    CHECK_EQ(sem_wait(&reached), 0);
    test_free_many(many, 100);
    CHECK_EQ(test_make_many_small(many, 50), 50);
    CHECK_EQ(pthread_create(&other, NULL, makes_one, NULL), 0);
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(api.check(), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        test_maps_reopen();
        for (long i = 50; i < 9000; i++) /* by tables of its own; the path answers here */
            CHECK(test_make_small(&many[i], i));
        test_free_many(many, 9000);
        CHECK_EQ(api.check(), 0);
        test_audit();
        _exit(0);
    }
    test_wait(child);
    atomic_store(&dead, false);
    CHECK_EQ(sem_post(&revived), 0);
    CHECK_EQ(pthread_join(maker, NULL), 0);
    test_free_many(many, 50);
}

/* --- fork() with an allocator whose handlers are younger than the library's ------------------- */

static sem_t go;
static atomic_int rounds_done;
static int round_no;

/* Runs before the library's handler, so that the other thread is busy when the library's handler
 * runs. */
static void heap_prepare(void)
{
    pthread_mutex_lock(&heap);
    sem_post(&go);
    while (!atomic_load(&waiting) && atomic_load(&rounds_done) < round_no)
        sched_yield();
}

static void heap_parent(void)
{
    pthread_mutex_unlock(&heap);
}

static void heap_child(void)
{
    pthread_mutex_unlock(&heap);
    atomic_store(&waiting, 0);
}

enum { ROUNDS = 40, A_TABLE = 4096 }; /* more than the registry begins with */
static struct made round_made[ROUNDS * A_TABLE];

static void *makes_a_table_a_round(void *data)
{
    CHECK(test_make_small(&round_made[0], 0)); /* whatever a thread needs, it has */
    sem_post(data);
    for (size_t i = 1; i < ROUNDS * A_TABLE; i++) {
        if (i % A_TABLE == 1)
            CHECK_EQ(sem_wait(&go), 0);
        CHECK(test_make_small(&round_made[i], (long)i));
        if (i % A_TABLE == A_TABLE - 1)
            atomic_fetch_add(&rounds_done, 1);
    }
    return data;
}

CASE(fork_waits_for_an_allocator_that_waits_for_nobody)
{
    pthread_t thread;
    sem_t warm;
    alarm(120);
    CHECK_EQ(sem_init(&go, 0, 0) | sem_init(&warm, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, makes_a_table_a_round, &warm), 0);
    CHECK_EQ(sem_wait(&warm), 0);
    CHECK_EQ(pthread_atfork(heap_prepare, heap_parent, heap_child), 0);
    atomic_store(&has_lock, true);
    for (round_no = 1; round_no <= ROUNDS; round_no++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            CHECK_EQ(test_make_many_small(many, 300), 300);
            test_free_many(many, 300);
            CHECK_EQ(api.check(), 0);
            _exit(0);
        }
        test_wait(child);
        while (atomic_load(&rounds_done) < round_no)
            sched_yield();
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    atomic_store(&has_lock, false);
    for (size_t i = 0; i < ROUNDS * A_TABLE; i += 97)
        test_call_small(&round_made[i]);
    test_free_many(round_made, ROUNDS * A_TABLE);
}
