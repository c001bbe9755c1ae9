/* SPDX-License-Identifier: MIT */
/* namespaces.c - the library in link-map namespaces of its own, dlmopen(3)
 *
 * Each namespace has a C library of its own, which counts its thread-specific keys from 0 and keeps
 * their values where the others keep theirs: in one array per thread. Not linked with the library;
 * $FS_TEST_LIBRARY is loaded.
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

enum { NAMESPACES = 4, GUESTS = 90, PROGRAM_KEYS = 40 };

static pthread_key_t program_keys[PROGRAM_KEYS];
static struct test_api guests[NAMESPACES];
static size_t values_seen;

/* The values of the program's keys in one thread: what the program has put there, or nothing. */
static void *value_of(size_t key)
{
    return key % 3 ? (char *)program_keys + key : NULL;
}

static void sees_value(void *value)
{
    CHECK((char *)value >= (char *)program_keys && (char *)value < (char *)(program_keys + 1) + 40);
    __atomic_fetch_add(&values_seen, 1, __ATOMIC_RELAXED);
}

static void check_values(void)
{
    for (size_t i = 0; i < PROGRAM_KEYS; i++)
        CHECK(pthread_getspecific(program_keys[i]) == value_of(i));
}

static void *uses_each_namespace(void *data)
{
    long mine = (long)(uintptr_t)data * 1000;
    for (size_t i = 0; i < PROGRAM_KEYS; i++)
        CHECK_EQ(pthread_setspecific(program_keys[i], value_of(i)), 0);
    for (int round = 0; round < 3; round++) {
        struct made made[NAMESPACES][50];
        for (int n = 0; n < NAMESPACES; n++)
            for (long i = 0; i < 50; i++) {
                made[n][i] = (struct made){.key = 3 * (mine + i)};
                made[n][i].closure =
                    guests[n].alloc(sizeof(ffi_static_closure), 0, &made[n][i].code);
                CHECK(made[n][i].closure != NULL);
                CHECK_EQ(guests[n].prep(made[n][i].closure, test_cif(0), test_handler(0),
                                        (void *)made[n][i].key, 0),
                         0);
            }
        check_values();
        for (int n = 0; n < NAMESPACES; n++) {
            for (int i = 0; i < 50; i++) {
                test_call_small(&made[n][i]);
                CHECK_EQ(guests[n].release(made[n][i].closure), 0);
            }
            CHECK_EQ(guests[n].release((ffi_static_closure *)(uintptr_t)(4096 * (mine + 1))),
                     -EINVAL);
            char address[32];
            snprintf(address, sizeof address, "%#lx", 4096 * (unsigned long)(mine + 1));
            CHECK_HAS(guests[n].error(), address);
        }
        check_values();
    }
    return NULL;
}

CASE(in_four_namespaces_the_values_of_the_program_stay)
{
    pthread_t threads[GUESTS];
    for (size_t i = 0; i < PROGRAM_KEYS; i++)
        CHECK_EQ(pthread_key_create(&program_keys[i], sees_value), 0);
    void *own =
        test_load(getenv("FS_TEST_LIBRARY")); /* in the program's namespace, where it has a key */
    guests[0] = api;
    void *libraries[NAMESPACES];
    for (int n = 1; n < NAMESPACES; n++) {
        libraries[n] = test_load_elsewhere(getenv("FS_TEST_LIBRARY"));
        guests[n] = api;
    }
    for (int round = 0; round < 3; round++) {
        values_seen = 0;
        for (uintptr_t i = 0; i < GUESTS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, uses_each_namespace, (void *)i), 0);
        for (int i = 0; i < GUESTS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(values_seen, GUESTS * (PROGRAM_KEYS - (PROGRAM_KEYS + 2) / 3));
        for (int n = 0; n < NAMESPACES; n++) {
            api = guests[n];
            CHECK_EQ(test_stats().live, 0);
            CHECK_EQ(test_stats().cached, 0);
            CHECK_EQ(api.check(), 0);
        }
    }
    uses_each_namespace((void *)1);
    for (int n = 1; n < NAMESPACES; n++)
        CHECK_EQ(dlclose(libraries[n]), 0);
    CHECK_EQ(dlclose(own), 0);
    api = (struct test_api){0};
    check_values();
}

/* The other way round: code in another namespace writes over the values of this one's keys. */
enum { OTHER_KEYS = 20 }; /* glibc keeps more than 32 in memory of one namespace's malloc */
static int (*other_setspecific)(pthread_key_t, const void *);

static void *is_written_over(void *data)
{
    struct made made[40];
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(test_make_many(made, 40), 40);
        for (uintptr_t i = 0; i < OTHER_KEYS; i++) /* no memory, but numbers of records */
            CHECK_EQ(other_setspecific((pthread_key_t)i, (void *)(2 + i % 4 + (uintptr_t)round)),
                     0);
        test_free_many(made, 40);
        CHECK_EQ(api.release((ffi_static_closure *)4096), -EINVAL);
        CHECK_HAS(api.error(), "0x1000");
    }
    return data;
}

CASE(another_namespace_writes_over_the_value_of_its_key)
{
    int (*other_key_create)(pthread_key_t *, void (*)(void *));
    pthread_key_t key;
    pthread_t thread;
    void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
    if (!libc)
        test_skip("dlmopen: %s", dlerror());
    *(void **)&other_key_create = dlsym(libc, "pthread_key_create");
    *(void **)&other_setspecific = dlsym(libc, "pthread_setspecific");
    if (!other_key_create || !other_setspecific)
        test_skip("libc.so.6 has no pthread keys: glibc 2.34 brought them there");
    for (int i = 0; i < OTHER_KEYS; i++)
        CHECK_EQ(other_key_create(&key, NULL), 0);
    void *library = test_load(getenv("FS_TEST_LIBRARY"));
    size_t most = 0;
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, is_written_over, program_keys), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        most = test_stats().cached > most ? test_stats().cached : most;
    }
    CHECK(most <= 256); /* what is left behind is found again */
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(dlclose(library), 0);
    api = (struct test_api){0};
}

/* The program's forks do not run the fork handlers of another namespace's C library. */
static void *churns(void *data)
{
    bool *stop = data;
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        void *runs[40];
        for (int i = 0; i < 40; i++)
            CHECK((runs[i] = api.alloc(FFI_STATIC_MAX_SIZE, 0, NULL)) != NULL);
        for (int i = 0; i < 40; i++)
            CHECK_EQ(api.release(runs[i]), 0);
    }
    return NULL;
}

CASE(forks_while_two_threads_use_it_in_a_namespace_of_its_own)
{
    pthread_t threads[2];
    bool stop = false;
    void *library = test_load_elsewhere(getenv("FS_TEST_LIBRARY"));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churns, &stop), 0);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            CHECK_EQ(test_make_many(many, 5000), 5000);
            CHECK_EQ(api.check(), 0);
            test_free_many(many, 5000);
            _exit(0);
        }
        test_wait(child);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(test_stats().live, 0);
    CHECK_EQ(dlclose(library), 0);
    api = (struct test_api){0};
}
