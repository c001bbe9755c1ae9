/* SPDX-License-Identifier: MIT */
/* dl.c - the library is loaded and unloaded, again and again
 *
 * Not linked with the library: each case loads it by path ($FS_TEST_LIBRARY) and unloads it.
 * After a first few rounds (in which libc and libffi settle) no mapping, descriptor or fork
 * handler may be left by a round.
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

static void *load(void)
{
    const char *path = getenv("FS_TEST_LIBRARY");
    CHECK(path != NULL);
    return test_load(path);
}

static void unload(void *library)
{
    CHECK_EQ(dlclose(library), 0);
    api = (struct test_api){0};
}

static bool is_loaded(void)
{
    void *library = dlopen(getenv("FS_TEST_LIBRARY"), RTLD_NOW | RTLD_NOLOAD);
    if (library)
        dlclose(library);
    return library != NULL;
}

static void round_of(size_t closures)
{
    void *library = load();
    size_t have = test_make_many(many, closures);
    CHECK_EQ(have, closures);
    test_free_many(many, have);
    unload(library);
}

/* How many thread-specific keys this process could still make. */
static size_t keys_left(void)
{
    static pthread_key_t keys[2048];
    size_t n = 0;
    while (n < 2048 && pthread_key_create(&keys[n], NULL) == 0)
        n++;
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(pthread_key_delete(keys[i]), 0);
    return n;
}

/* What was said to unwinders about tables that are gone must be gone too. */
static void unwind_once(void)
{
    void *frames[8];
    CHECK(backtrace(frames, 8) > 1);
}

CASE(a_thousand_times)
{
    for (int i = 0; i < 3; i++) {
        round_of(1500);
        unwind_once();
    }
    size_t maps = test_maps_count(), fds = test_open_fds(), keys = keys_left();
    for (int i = 0; i < 1000; i++) {
        round_of(i % 50 == 0 ? 1500 : i % 2 ? 1 : 0);
        CHECK_EQ(test_open_fds(), fds);
        if (i % 50 == 0)
            unwind_once();
    }
    CHECK_EQ(test_maps_count(), maps);
    CHECK_EQ(keys_left(), keys);
    CHECK(!is_loaded());
}

CASE(with_many_closures_each_time)
{
    for (int i = 0; i < 3; i++)
        round_of(MANY);
    size_t maps = test_maps_count(), fds = test_open_fds();
    for (int i = 0; i < 20; i++)
        round_of(MANY);
    CHECK_EQ(test_maps_count(), maps);
    CHECK_EQ(test_open_fds(), fds);
    CHECK(!is_loaded());
}

/* A thread that allocates, waits until the library is gone, and exits. */
static sem_t used, gone;

static void *use_and_wait(void *data)
{
    struct made made[40];
    size_t n = (size_t)(uintptr_t)data;
    CHECK_EQ(test_make_many(made, n), n);
    test_free_many(made, n);
    sem_post(&used);
    sem_wait(&gone);
    return data;
}

static void round_with_thread(size_t n, bool reload)
{
    pthread_t thread;
    void *result, *library = load();
    CHECK_EQ(sem_init(&used, 0, 0) | sem_init(&gone, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, use_and_wait, (void *)n), 0);
    sem_wait(&used);
    CHECK_EQ(test_make_many(many, 600), 600);
    test_free_many(many, 600);
    unload(library);
    if (reload) { /* the thread then exits while the library is there again */
        library = load();
        CHECK_EQ(test_make_many(many, 600), 600);
    }
    sem_post(&gone);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == (void *)n);
    if (reload) {
        CHECK_EQ(api.check(), 0);
        for (int i = 0; i < 600; i++)
            test_call(&many[i]);
        test_free_many(many, 600);
        unload(library);
    }
}

CASE(a_thread_that_used_it_exits_after_its_dlclose)
{
    for (int i = 0; i < 3; i++)
        round_with_thread(40, false);
    size_t maps = test_maps_count(), fds = test_open_fds();
    for (int i = 0; i < 1000; i++)
        round_with_thread(i % 40 + 1, false);
    CHECK_EQ(test_maps_count(), maps);
    CHECK_EQ(test_open_fds(), fds);
}

CASE(a_thread_that_used_it_exits_after_it_was_loaded_again)
{
    for (int i = 0; i < 3; i++)
        round_with_thread(40, true);
    size_t maps = test_maps_count();
    for (int i = 0; i < 300; i++)
        round_with_thread(i % 40 + 1, true);
    CHECK_EQ(test_maps_count(), maps);
}

/* One thread stays alive over many generations of the library and uses each. */
static sem_t turn, over;
static volatile bool last;

static void *lodger(void *data)
{
    (void)data;
    for (;;) {
        struct made made[10];
        sem_wait(&turn);
        if (last)
            return NULL;
        CHECK_EQ(test_make_many(made, 10), 10);
        test_free_many(made, 10);
        sem_post(&over);
    }
}

CASE(a_thread_that_stays_uses_each_of_a_thousand)
{
    pthread_t thread;
    size_t maps = 0;
    CHECK_EQ(sem_init(&turn, 0, 0) | sem_init(&over, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, lodger, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        void *library = load();
        sem_post(&turn);
        sem_wait(&over);
        size_t n = i % 100 == 0 ? 1500 : 5;
        CHECK_EQ(test_make_many(many, n), n);
        test_free_many(many, n);
        unload(library);
        if (i == 2)
            maps = test_maps_count();
    }
    CHECK_EQ(test_maps_count(), maps);
    last = true;
    sem_post(&turn);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

CASE(fork_after_dlclose)
{
    for (int i = 0; i < 5; i++) {
        round_of(1500);
        CHECK(!is_loaded());
        for (int k = 0; k < 3; k++) { /* a fork handler left behind would be a SIGSEGV here */
            pid_t child = fork();
            if (child == 0)
                _exit(0);
            test_wait(child);
        }
    }
}

CASE(fork_between_and_dlclose_in_the_child)
{
    void *library = load();
    CHECK_EQ(test_make_many(many, 1500), 1500);
    pid_t child = fork();
    if (child == 0) {
        test_free_many(many, 1500);
        unload(library);
        round_of(1500);
        _exit(0);
    }
    test_wait(child);
    for (int i = 0; i < 1500; i++)
        test_call(&many[i]);
    test_free_many(many, 1500);
    unload(library);
}

/* Closures that were not freed keep only what they are in: the data stays readable, nothing is
 * torn down twice, and the next generation starts anew. */
CASE(dlclose_with_closures_left)
{
    void *library = load();
    CHECK_EQ(test_make_many(many, 3000), 3000);
    unload(library);
    round_of(3000);
    CHECK(!is_loaded());
}

CASE(many_libraries_at_once_keep_apart)
{
    const char *other = getenv("FS_TEST_OTHER_LIBRARY"); /* the same file elsewhere */
    CHECK(other != NULL);
    void *first = load();
    struct test_api first_api = api;
    CHECK_EQ(test_make_many(many, 700), 700);
    void *second = test_load(other);
    CHECK(api.alloc != first_api.alloc);
    CHECK_EQ(test_make_many(many + 1000, 700), 700);
    for (int i = 0; i < 700; i++) {
        CHECK(first_api.from_address(many[1000 + i].code) == NULL);
        CHECK_EQ(first_api.release(many[1000 + i].closure), -EINVAL);
        CHECK_EQ(api.release(many[i].closure), -EINVAL);
    }
    test_free_many(many + 1000, 700);
    CHECK_EQ(dlclose(second), 0);
    api = first_api;
    for (int i = 0; i < 700; i++)
        test_call(&many[i]);
    test_free_many(many, 700);
    unload(first);
}

/* First in, first out: what the dynamic loader cannot pile up like a stack (static TLS). */
CASE(two_libraries_take_turns_a_thousand_times)
{
    const char *paths[] = {getenv("FS_TEST_LIBRARY"), getenv("FS_TEST_OTHER_LIBRARY")};
    void *before = test_load(paths[0]);
    for (int i = 1; i <= 1000; i++) {
        void *library = test_load(paths[i % 2]);
        CHECK_EQ(test_make_many(many, 3), 3);
        test_free_many(many, 3);
        CHECK_EQ(dlclose(before), 0);
        before = library;
    }
    unload(before);
}

/* An application that has taken every thread-specific key before the library came. */
CASE(every_thread_specific_key_is_taken)
{
    pthread_key_t keys;
    while (pthread_key_create(&keys, NULL) == 0)
        continue;
    void *library = load();
    pthread_t thread;
    CHECK_EQ(test_make_many(many, 3000), 3000);
    CHECK_EQ(sem_init(&used, 0, 0) | sem_init(&gone, 0, 1), 0);
    CHECK_EQ(pthread_create(&thread, NULL, use_and_wait, (void *)40), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(test_stats().live, 3000);
    CHECK_EQ(test_stats().cached, 0);
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(api.release((void *)4096), -EINVAL);
    CHECK(strlen(api.error()) > 0);
    test_free_many(many, 3000);
    unload(library);
}

/* --- other people's destructors and exits ---------------------------------------------------- */

/* A C++ plugin that the library is linked into, with global objects that own closures: they free
 * them when they are destroyed, some after the library's own goodbye. */
static void round_of_plugin(size_t n)
{
    int destroyed = 0;
    void *plugin = dlopen(getenv("FS_TEST_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    void (*use_plugin)(size_t, int *);
    *(void **)&use_plugin = dlsym(plugin, "plugin_use");
    CHECK(use_plugin != NULL);
    use_plugin(n, &destroyed);
    CHECK_EQ(dlclose(plugin), 0);
    CHECK_EQ(destroyed, 2);
    CHECK(!dlopen(getenv("FS_TEST_PLUGIN"), RTLD_NOW | RTLD_NOLOAD));
}

CASE(global_objects_of_a_plugin_own_closures)
{
    size_t maps = 0;
    for (int i = 0; i < 100; i++) {
        round_of_plugin(i % 10 == 2 ? 9000 : 700);
        if (i == 3)
            maps = test_maps_count();
    }
    CHECK_EQ(test_maps_count(), maps);
}

/* exit() has begun, and a handler that is older than the library unloads the library, while a
 * thread that used it lives. */
static void *unloaded_at_exit;
static pthread_t outlives;

static void unload_at_exit(void)
{
    if (!unloaded_at_exit)
        return;
    alarm(60);
    unload(unloaded_at_exit);
    CHECK(!is_loaded());
    sem_post(&gone);
    CHECK_EQ(pthread_join(outlives, NULL), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    test_wait(child);
}

CASE_WITHOUT_AUDIT(an_older_atexit_handler_unloads_it)
{
    CHECK_EQ(atexit(unload_at_exit), 0);
    CHECK_EQ(sem_init(&used, 0, 0) | sem_init(&gone, 0, 0), 0);
    unloaded_at_exit = load();
    CHECK_EQ(pthread_create(&outlives, NULL, use_and_wait, (void *)40), 0);
    sem_wait(&used);
    exit(0);
}
