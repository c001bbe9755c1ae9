/* SPDX-License-Identifier: MIT */
/* text.c - the library's text is not the file's any more: an anonymous copy at the same address
 *
 * That is what programs do that move their text to huge pages (Chromium, HHVM, Node.js): copy,
 * protect, mremap over. The pages are anonymous then, and `text`'s MREMAP_DONTUNMAP would leave
 * zeroes where the running code was. It has to see that and put things back.
 *
 *     text anonymous all|table       $FS_TEST_REFUSES, $FFI_STATIC_PROVIDER as in policy.c
 */
#include "fs_test.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct test_map text;
static unsigned char *saved;

/* Stands before libc's, and takes its time where a case is about the moment behind it. */
static atomic_bool slowly;

void *mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    void *moved = (void *)syscall(SYS_mremap, old, old_size, new_size, flags, to);
    int error = errno;
    if (atomic_load(&slowly))
        usleep(200);
    errno = error;
    return moved;
}

/* The same, of code that was mapped and is to be compared: with the text that may be away now. */
void *mmap(void *want, size_t size, int rights, int flags, int fd, off_t offset)
{
    void *at = mmap64(want, size, rights, flags, fd, offset); /* which stays libc's */
    int error = errno;
    if (atomic_load(&slowly) && rights & PROT_EXEC)
        usleep(200);
    errno = error;
    return at;
}

/* RW first, then R-X, then moved over the original: never both at once. */
static void make_anonymous(uintptr_t start, uintptr_t end)
{
    size_t size = end - start;
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(copy != MAP_FAILED);
    memcpy(copy, (void *)start, size);
    CHECK_EQ(mprotect(copy, size, PROT_READ | PROT_EXEC), 0);
    CHECK(mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == (void *)start);
}

/* Only one page of what `text` maps again, found by its bytes; the rest stays the file's. */
static void make_table_anonymous(void)
{
    struct made *made = many;
    size_t n = 0, found = 0;
    do
        CHECK(n < MANY && test_make(&made[n], (long)n));
    while (strcmp(api.provider_of(made[n++].code), "text"));
    uintptr_t page = (uintptr_t)made[n - 1].code & ~(uintptr_t)4095;
    for (uintptr_t at = text.start; at < text.end; at += 4096) {
        if (memcmp((void *)at, (void *)page, 4096))
            continue;
        make_anonymous(at, at + 4096);
        found++;
        break;
    }
    CHECK_EQ(found, 1);
    test_free_many(made, n);
}

static void begin(void)
{
    text = test_map_of((void *)(uintptr_t)ffi_static_alloc);
    CHECK_HAS(text.path, "libffi_static.so");
    CHECK_EQ(text.perms[2], 'x');
    saved = malloc(text.end - text.start);
    CHECK(saved != NULL);
    memcpy(saved, (void *)text.start, text.end - text.start);
    if (test_argc && !strcmp(test_argv[0], "table"))
        make_table_anonymous();
    else
        make_anonymous(text.start, text.end);
}

static void text_is_whole(void)
{
    CHECK(!memcmp(saved, (void *)text.start, text.end - text.start));
    struct test_map now = test_map_of((void *)(uintptr_t)ffi_static_alloc);
    CHECK_EQ(strcmp(now.perms, "r-xp"), 0);
}

static void goes_on(void)
{
    size_t have = test_make_many(many, MANY);
    text_is_whole();
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_EQ(errno, ENOSYS);
        CHECK_HAS(api.error(), getenv("FFI_STATIC_PROVIDER"));
        printf("%zu closures; then: %s\n", have, api.error());
    } else {
        CHECK_EQ(have, MANY);
        printf("the last of %s\n", api.provider_of(many[have - 1].code));
    }
    for (int i = 0; i < 10; i++) { /* and as often as it is asked */
        char why[256];
        CHECK(ffi_static_provider_probe("text", why, sizeof why) < 0);
        text_is_whole();
    }
    CHECK_EQ(api.check(), 0);
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
    test_free_many(many, have);
}

CASE(anonymous)
{
    begin();
    goes_on();
}

/* The same after tables were made of the good text. */
CASE(anonymous_after_the_999th)
{
    size_t have = test_make_many(many, 999);
    begin();
    while (have < MANY && test_make(&many[have], (long)have))
        have++;
    text_is_whole();
    CHECK_EQ(have, MANY); /* another provider takes over */
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
    CHECK_EQ(api.check(), 0);
    test_free_many(many, have);
}

/* The same file, the same inode, and other bytes: written over in place, while what is running is
 * a private copy (a debugger's breakpoints, or as here, touched pages). */
CASE(file_rewritten_in_place)
{
    text = test_map_of((void *)(uintptr_t)ffi_static_alloc);
    size_t size = text.end - text.start;
    int fd = open(text.path, O_RDWR | O_CLOEXEC);
    saved = malloc(size);
    CHECK(fd >= 0 && saved != NULL);
    CHECK_EQ(mprotect((void *)text.start, size, PROT_READ | PROT_WRITE), 0);
    for (uintptr_t at = text.start; at < text.end; at += 4096)
        *(volatile char *)at = *(volatile char *)at;
    CHECK_EQ(mprotect((void *)text.start, size, PROT_READ | PROT_EXEC), 0);
    memset(saved, 0xcc, size);
    CHECK_EQ(pwrite(fd, saved, size, (off_t)text.offset), size);
    memcpy(saved, (void *)text.start, size);
    close(fd);
    goes_on();
}

static atomic_bool stop;
static atomic_ulong calls;

static void *call_on(void *data)
{
    while (!atomic_load(&stop)) {
        test_call(data);
        atomic_fetch_add(&calls, 1);
    }
    return NULL;
}

/* A provider that takes the text away for the moment of its test would crash these threads. */
CASE(anonymous_while_others_call)
{
    static struct made made[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(test_make(&made[i], i));
    begin();
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_on, &made[i]), 0);
    while (atomic_load(&calls) < 1000)
        sched_yield();
    for (int i = 0; i < 2000; i++) {
        char why[256];
        CHECK(ffi_static_provider_probe("text", why, sizeof why) < 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    text_is_whole();
    test_free_many(made, 4);
}

static void *make_on(void *data)
{
    enum { N = 3000 };
    struct made *made = calloc(N, sizeof *made);
    CHECK(made != NULL);
    while (!atomic_load(&stop)) {
        CHECK_EQ(test_make_many_small(made, N), N);
        for (size_t i = 0; i < N; i++)
            test_call_small(&made[i]);
        test_free_many(made, N);
        atomic_fetch_add(&calls, N);
    }
    free(made);
    return data;
}

/* While `text` has the template away for the moment of its test, another thread's provider would
 * copy zeroes, or compare with them; and so would a child that was forked then, for ever. */
CASE(anonymous_while_others_make_tables_and_fork)
{
    pthread_t threads[4];
    begin();
    atomic_store(&slowly, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, make_on, NULL), 0);
    while (atomic_load(&calls) < 20000)
        sched_yield();
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            test_maps_reopen();
            text_is_whole();
            CHECK_EQ(test_make_many_small(many, 1000), 1000);
            CHECK_EQ(api.check(), 0);
            _exit(0);
        }
        test_wait(child);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    text_is_whole();
}
