/* SPDX-License-Identifier: MIT */
/* threads.c - threads that race to create, map and close tables, and to change what is checked
 *
 * Every answer must be one that the header lists, and the tables that were made must be whole. Each
 * race lasts for a fixed number of rounds, not for a time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "table.h"

enum { THREADS = 4, ROUNDS = 300 };

static void race(void *(*body)(void *), void *data_)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, body, data_) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *create_map_close(void *data_)
{
    (void)data_;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct table table = make_valid(1 + i % 400);
        check_bytes(&table);
        unmap(&table);
    }
    return NULL;
}

TEST(threads_that_make_map_and_unmap_their_own)
{
    ONE;
    race(create_map_close, NULL);
    CHECK_EQ(user_pages(), 0);
}

struct shared {
    struct trampfd_create arg;
    int fd;
    int mapped;
    pthread_barrier_t start;
};

static void *map_shared_fd(void *data_)
{
    struct shared *s = data_;
    pthread_barrier_wait(&s->start);
    struct table table = {.arg = s->arg, .fd = s->fd, .size = map_size(&s->arg)};
    table.at = map(s->fd, &s->arg);
    if (table.at == MAP_FAILED) {
        CHECK(errno == EBUSY || errno == EEXIST);
    } else {
        check_bytes(&table);
        __atomic_add_fetch(&s->mapped, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void one_of_many_maps(struct trampfd_create (*arg)(unsigned))
{
    for (unsigned i = 0; i < 50; i++) {
        struct shared s = {.arg = arg(255), .mapped = 0};
        CHECK(pthread_barrier_init(&s.start, NULL, THREADS) == 0);
        s.fd = create(&s.arg);
        CHECK(s.fd >= 0);
        race(map_shared_fd, &s);
        CHECK_EQ(s.mapped, 1);
        close(s.fd);
    }
}

static struct trampfd_create absolute(unsigned count)
{
    struct trampfd_create arg = valid();
    arg.count = count;
    return arg;
}

TEST(exactly_one_of_the_threads_that_map_a_table_gets_it)
{
    ONE;
    one_of_many_maps(absolute);
}

TEST(exactly_one_of_the_threads_that_map_a_compact_table_gets_it)
{
    ONE;
    one_of_many_maps(valid_compact);
}

static int slots[8];

/* Descriptors are closed while other threads use them. */
static void *with_anybodys_fd(void *data_)
{
    unsigned seed = (unsigned)(uintptr_t)&data_;
    struct trampfd_create arg = valid();
    (void)data_;
    for (unsigned i = 0; i < ROUNDS; i++) {
        int *slot = &slots[rand_r(&seed) % 8], old;
        switch (rand_r(&seed) % 3) {
        case 0:
            old = __atomic_exchange_n(slot, create(&arg), __ATOMIC_SEQ_CST);
            if (old > 2)
                close(old);
            break;
        case 1: {
            void *at = map(__atomic_load_n(slot, __ATOMIC_SEQ_CST), &arg);
            if (at == MAP_FAILED) {
                /* ENODEV: the number is the device's now, which somebody else has just opened */
                /* EADDRNOTAVAIL: it was another table's number when the constants were mapped */
                CHECK(errno == EBUSY || errno == EBADF || errno == ENODEV ||
                      errno == EADDRNOTAVAIL);
            } else {
                CHECK(memcmp(at, LANDING_PAD, sizeof LANDING_PAD - 1) == 0);
                CHECK(munmap((char *)at - page(), 2 * page()) == 0);
            }
            break;
        }
        default:
            old = __atomic_exchange_n(slot, -1, __ATOMIC_SEQ_CST);
            if (old > 2)
                close(old);
        }
    }
    return NULL;
}

TEST(threads_that_close_what_others_map)
{
    ONE;
    memset(slots, -1, sizeof slots);
    race(with_anybodys_fd, NULL);
    for (unsigned i = 0; i < 8; i++)
        if (slots[i] > 2)
            close(slots[i]);
    CHECK_EQ(user_pages(), 0);
}

static char *volatile target_page;
static volatile bool stop;

static void *change_target(void *fd)
{
    while (!stop) {
        CHECK(mmap(target_page, page(), PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, *(int *)fd,
                   0) == target_page);
        CHECK(mprotect(target_page, page(), PROT_READ | PROT_WRITE) == 0);
        target_page[0] = 1;
        CHECK(mprotect(target_page, page(), PROT_READ | PROT_EXEC) == 0);
        CHECK(munmap(target_page, page()) == 0);
    }
    return NULL;
}

TEST(creating_while_the_code_is_unmapped_and_written_to)
{
    ONE;
    pthread_t thread;
    unsigned made = 0;
    static uint64_t codes[500];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    target_page = mmap(NULL, page(), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    CHECK(target_page != MAP_FAILED);
    for (unsigned i = 0; i < 500; i++)
        codes[i] = i == 400 ? (uintptr_t)target_page : (uintptr_t)target(i);
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)codes;
    arg.count = 500;
    CHECK(pthread_create(&thread, NULL, change_target, &fd) == 0);
    for (unsigned i = 0; i < 5 * ROUNDS; i++) {
        int made_fd = create(&arg);
        if (made_fd >= 0)
            made++;
        else
            CHECK(errno == EFAULT || errno == EACCES);
        close(made_fd);
    }
    stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    printf("# %u of %u made\n", made, 5 * ROUNDS);
}

static uint64_t changing[300];

static void *change_array(void *data_)
{
    (void)data_;
    for (unsigned i = 0; !stop; i++)
        __atomic_store_n(&changing[i % 300], (uintptr_t)(i % 7 ? target(i) : (const void *)data_at),
                         __ATOMIC_RELAXED);
    return NULL;
}

/* The address that was checked is the one in the table: no other address gets in between. */
TEST(creating_while_the_code_array_changes)
{
    ONE;
    pthread_t thread;
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)changing;
    arg.count = 300;
    unsigned made = 0;
    for (unsigned i = 0; i < 300; i++)
        changing[i] = (uintptr_t)target(i);
    CHECK(pthread_create(&thread, NULL, change_array, NULL) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int fd = create(&arg);
        if (fd < 0) {
            CHECK_EQ(errno, EACCES);
            for (unsigned k = 0; k < 300; k++) /* one of its next tries may be right */
                __atomic_store_n(&changing[k], (uintptr_t)target(k), __ATOMIC_RELAXED);
            continue;
        }
        unsigned char *at = map(fd, &arg);
        CHECK(at != MAP_FAILED);
        for (unsigned k = 0; k < 300; k++) {
            probe_call(at + TRAMPFD_OFFSET(k));
            CHECK(probe_which < TARGETS);
        }
        CHECK(munmap(at - map_size(&arg), 2 * map_size(&arg)) == 0);
        close(fd);
        made++;
    }
    stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    printf("# %u of %u made\n", made, ROUNDS);
}

static void *fork_and_use(void *table)
{
    for (unsigned i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            check_bytes(table);
            ((struct table *)table)->fd = -1;
            unmap(table);
            _exit(0);
        }
        CHECK_EQ(status_of(pid), PASSED);
    }
    return NULL;
}

TEST(forks_while_other_threads_make_tables)
{
    ONE;
    struct table table = make_valid(300);
    pthread_t makers[2];
    for (unsigned i = 0; i < 2; i++)
        CHECK(pthread_create(&makers[i], NULL, create_map_close, NULL) == 0);
    race(fork_and_use, &table);
    for (unsigned i = 0; i < 2; i++)
        CHECK(pthread_join(makers[i], NULL) == 0);
    check_calls(&table);
}

static void *drop(void *table_)
{
    struct table *table = table_;
    while (!stop) {
        unsigned char *constants = table->at - table->size;
        (void)madvise(constants, 2 * table->size, MADV_DONTNEED);
        (void)mprotect(table->at, table->size, PROT_READ | PROT_EXEC);
        (void)mprotect(constants, table->size, PROT_READ);
        CHECK(mprotect(table->at, table->size, PROT_READ | PROT_WRITE) == -1);
        CHECK(mprotect(constants, table->size, PROT_READ | PROT_EXEC) == -1);
    }
    return NULL;
}

TEST(calls_while_another_thread_drops_the_pages)
{
    ONE;
    pthread_t thread;
    struct table table = make_valid(300);
    CHECK(pthread_create(&thread, NULL, drop, &table) == 0);
    for (unsigned i = 0; i < 20; i++)
        check_calls(&table);
    stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    check_bytes(&table);
}

TEST(a_process_that_is_killed_in_the_middle_leaves_nothing)
{
    ONE;
    for (unsigned i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            race(create_map_close, NULL);
            _exit(0);
        }
        usleep(5000 + i * 9000);
        kill(pid, SIGKILL);
        int status = status_of(pid);
        CHECK(status == KILLED + SIGKILL || status == PASSED);
    }
}

static sigjmp_buf nowhere;
static void *volatile elsewhere;
static volatile bool arrived;
static volatile unsigned tries;

static void nothing_there(int number)
{
    (void)number;
    siglongjmp(nowhere, 1);
}

static void *call_elsewhere(void *unused)
{
    (void)unused;
    while (!stop) {
        if (!sigsetjmp(nowhere, 1)) {
            probe_call(elsewhere);
            arrived = true;
        }
        tries++;
    }
    return NULL;
}

/* At the wrong address the code would load other data, even if it is moved back at once. */
TEST(a_table_is_not_elsewhere_while_its_move_is_refused)
{
    ONE;
    pthread_t thread;
    struct sigaction action = {.sa_handler = nothing_there, .sa_flags = SA_NODEFER};
    struct trampfd_create arg = valid_compact(info().max_count);
    struct table table = make(&arg);
    check_bytes(&table); /* every page is present and can be moved */
    elsewhere = mmap(NULL, table.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(elsewhere != MAP_FAILED);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, call_elsewhere, NULL) == 0);
    for (unsigned i = 0; i < 200 || tries < 100; i++)
        CHECK_ERRNO(
            mremap(table.at, table.size, table.size, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere),
            EINVAL);
    stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(!arrived);
    CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
    check_bytes(&table);
    check_calls(&table);
}
