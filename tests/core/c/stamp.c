/* SPDX-License-Identifier: MIT */
/* stamp.c - copies of a program's own pages: code, data, addresses, threads and forks
 *
 * Every case runs with each provider. What a stamp refuses is in tests/core/bad_days/stamps*.c.
 */
#include "pages.h"
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/wait.h>

PAGE_OF(page_behind, 0x10000);
PAGE_OF(page_before, -0x10000);
PAGE_OF(page_apart, 0x30000);
PAGE_OF(page_before_apart, -0x40000);

static const struct ffi_static_template behind = {page_behind, PAGE_SIZE_, 0x10000, PAGE_SIZE_};
static const struct ffi_static_template before = {page_before, PAGE_SIZE_, -0x10000, PAGE_SIZE_};
static const struct ffi_static_template apart = {page_apart, PAGE_SIZE_, 0x30000, PAGE_SIZE_};
static const struct ffi_static_template before_apart = {page_before_apart, PAGE_SIZE_, -0x40000,
                                                        PAGE_SIZE_};

static ffi_static_stamp *open_stamp(const struct ffi_static_template *what)
{
    ffi_static_stamp *stamp;
    CHECK_EQ(ffi_static_stamp_open(what, 0, &stamp), 0);
    return stamp;
}

static void *copy(ffi_static_stamp *stamp)
{
    void *code;
    int error = ffi_static_stamp_copy(stamp, &code);
    CHECK(error == 0, "%s", api.error());
    return code;
}

/* Several copies at once, each of whose trampolines has the data of its own. */
static void try_template(const struct ffi_static_template *what)
{
    enum { COPIES = 5 };
    void *code[COPIES];
    ffi_static_stamp *stamp = open_stamp(what);
    for (unsigned i = 0; i < COPIES; i++) {
        code[i] = copy(stamp);
        CHECK_EQ(memcmp(code[i], what->code, what->code_size), 0);
        const char *data = page_data(code[i], what->data_at, 0);
        for (size_t at = 0; at < what->data_size; at++)
            CHECK_EQ(data[at], 0);
        page_fill(code[i], what->data_at, i * 10000);
    }
    for (unsigned i = 0; i < COPIES; i++)
        page_right(code[i], i * 10000);
    CHECK_EQ(ffi_static_stamp_free(code[2]), 0);
    code[2] = copy(stamp);
    CHECK_EQ(page_call(code[2], 7), 0);
    for (unsigned i = 0; i < COPIES; i++)
        CHECK_EQ(page_call(code[i], 3), i == 2 ? 0 : i * 10000 + 3);
    CHECK_EQ(api.check(), 0);
    for (unsigned i = 0; i < COPIES; i++)
        CHECK_EQ(ffi_static_stamp_free(code[i]), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

CASE(data_behind_the_code)
{
    try_template(&behind);
}

CASE(data_before_the_code)
{
    try_template(&before);
}

CASE(data_at_a_distance)
{
    try_template(&apart);
    try_template(&before_apart);
}

CASE(what_lies_between_code_and_data_is_not_accessible)
{
    ffi_static_stamp *stamp = open_stamp(&apart);
    char *code = copy(stamp);
    CHECK_EQ(strncmp(test_map_of(code).perms, "r-x", 3), 0);
    CHECK_EQ(strcmp(test_map_of(code + 0x10000).perms, "---p"), 0);
    CHECK_EQ(strcmp(test_map_of(code + 0x2ffff).perms, "---p"), 0);
    CHECK_EQ(strcmp(test_map_of(code + 0x30000).perms, "rw-p"), 0);
    CHECK_EQ(ffi_static_stamp_free(code), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

CASE(the_code_cannot_be_written_nor_the_data_run)
{
    ffi_static_stamp *stamp = open_stamp(&behind);
    for (int i = 0; i < 20; i++) {
        char *code = copy(stamp);
        for (size_t at = 0; at < PAGE_SIZE_; at += 4096) {
            CHECK_EQ(strcmp(test_map_of(code + at).perms, "r-xp"), 0);
            CHECK_EQ(strcmp(test_map_of(code + 0x10000 + at).perms, "rw-p"), 0);
        }
    }
    test_audit(); /* with all of them live, and once more at the end */
}

/* Two templates side by side in the text are one of twice the size. */
CASE(a_copy_lies_at_a_multiple_of_its_size)
{
    struct ffi_static_template large = {page_behind, PAGE_SIZE_, 0x100000, 1};
    for (unsigned n = 1; n <= 3; n++) {
        if (n > 1 &&
            (page_before != page_behind + PAGE_SIZE_ || page_apart != page_before + PAGE_SIZE_))
            test_skip("the linker has not put the templates side by side");
        large.code_size = n * PAGE_SIZE_;
        ffi_static_stamp *stamp = open_stamp(&large);
        uintptr_t mask = (n == 3 ? 4 : n) * PAGE_SIZE_ - 1;
        for (int i = 0; i < 5; i++) {
            void *code = copy(stamp);
            CHECK_EQ((uintptr_t)code & mask, 0);
            CHECK_EQ(memcmp(code, page_behind, large.code_size), 0);
        }
    }
}

CASE(any_address_in_the_code_names_its_copy)
{
    ffi_static_stamp *a = open_stamp(&behind), *b = open_stamp(&before);
    void *of_a = copy(a), *of_b = copy(b), *more = copy(a);
    const char *given = getenv("FFI_STATIC_PROVIDER");
    struct ffi_static_copy seen;
    for (size_t at = 0; at < PAGE_SIZE_; at += 999) {
        CHECK_EQ(ffi_static_stamp_query((char *)of_b + at, &seen), 0);
        CHECK(seen.stamp == b && seen.code == of_b);
        CHECK(seen.data == (char *)of_b - 0x10000);
        CHECK(!given || !*given || strcmp(seen.provider, given) == 0);
        CHECK_EQ(ffi_static_stamp_query((char *)of_a + at, &seen), 0);
        CHECK(seen.stamp == a && seen.code == of_a);
    }
    const void *none[] = {
        (char *)of_a + PAGE_SIZE_, (char *)of_b - 1, page_behind, &seen, (void *)1, NULL,
        (void *)UINTPTR_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        REFUSED(ffi_static_stamp_query(none[i], &seen), EINVAL);
    CHECK(seen.code == of_a);
    CHECK_EQ(ffi_static_stamp_free(more), 0);
    REFUSED(ffi_static_stamp_query(more, &seen), EINVAL);
}

CASE(the_stats_count_stamps_and_copies)
{
    void *code[300];
    size_t n = test_scaled(300) < 3 ? 3 : test_scaled(300);
    CHECK_EQ(test_stats().stamps, 0);
    ffi_static_stamp *stamp = open_stamp(&behind), *other = open_stamp(&behind);
    for (size_t i = 0; i < n; i++) {
        code[i] = copy(i % 2 ? other : stamp);
        CHECK_EQ(test_stats().copies, i + 1);
    }
    CHECK_EQ(test_stats().stamps, 2);
    CHECK_EQ(test_stats().live, 0);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(ffi_static_stamp_free(code[i]), 0);
    CHECK_EQ(test_stats().copies, 0);
    CHECK_EQ(ffi_static_stamp_close(other), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
    CHECK_EQ(test_stats().stamps, 0);
}

CASE(nothing_is_left_when_all_is_closed)
{
    try_template(&behind); /* what the library and libc keep is there */
    size_t maps = test_maps_count(), fds = test_open_fds();
    for (int round = 0; round < 20; round++) {
        try_template(&before);
        CHECK_EQ(test_open_fds(), fds);
    }
    if (!test_under_valgrind() && !test_emulated()) /* theirs come and go */
        CHECK_EQ(test_maps_count(), maps);
}

CASE(closures_and_copies_live_side_by_side)
{
    ffi_static_stamp *stamp = open_stamp(&behind);
    void *code[8];
    const size_t n = test_scaled(4000);
    for (size_t round = 0; round < 8; round++) {
        code[round] = copy(stamp);
        page_fill(code[round], 0x10000, round * 2000);
        CHECK_EQ(test_make_many(many, n), n);
        for (size_t i = 0; i <= round; i++)
            page_right(code[i], i * 2000);
        test_free_many(many, n);
    }
}

/* 100,000 callbacks, each with 64 bytes of its own, live at once; called, freed at random. */
CASE(a_hundred_thousand_callbacks)
{
    static void *code[98];
    size_t n = test_scaled(98) < 4 ? 4 : test_scaled(98);
    ffi_static_stamp *stamp = open_stamp(&behind);
    for (size_t i = 0; i < n; i++) {
        code[i] = copy(stamp);
        page_fill(code[i], 0x10000, i * PAGE_STUBS);
    }
    CHECK_EQ(test_stats().copies, n);
    for (size_t i = 0; i < n; i++)
        page_right(code[i], i * PAGE_STUBS);
    CHECK_EQ(api.check(), 0);
    srandom(4711);
    for (size_t left = n; left; left--) {
        size_t i = (size_t)random() % left;
        CHECK_EQ(page_call(code[i], 1000), *(uintptr_t *)(void *)page_data(code[i], 0x10000, 1000));
        CHECK_EQ(ffi_static_stamp_free(code[i]), 0);
        code[i] = code[left - 1];
    }
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

/* With a tombstone for every copy that went: the table of copies neither fills nor forgets. */
CASE(many_come_and_go)
{
    void *keep[4], *code;
    ffi_static_stamp *stamp = open_stamp(&behind);
    for (unsigned i = 0; i < 4; i++) {
        keep[i] = copy(stamp);
        page_fill(keep[i], 0x10000, i * 5000);
    }
    for (size_t i = 0, n = test_scaled(5000); i < n; i++) {
        code = copy(stamp);
        *(uintptr_t *)(void *)page_data(code, 0x10000, 5) = i;
        CHECK_EQ(page_call(code, 5), i);
        CHECK_EQ(ffi_static_stamp_free(code), 0);
    }
    CHECK_EQ(test_stats().copies, 4);
    for (unsigned i = 0; i < 4; i++)
        page_right(keep[i], i * 5000);
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 8 };

static ffi_static_stamp *shared;
static size_t rounds;

static void *come_and_go(void *number)
{
    uintptr_t first = (uintptr_t)number * 100000;
    void *code[4] = {0};
    for (size_t i = 0; i < rounds; i++) {
        void **one = &code[i % 4];
        if (*one) {
            CHECK_EQ(page_call(*one, 99), first + 99);
            CHECK_EQ(ffi_static_stamp_free(*one), 0);
        }
        *one = copy(shared);
        struct ffi_static_copy seen;
        CHECK_EQ(ffi_static_stamp_query((char *)*one + 77, &seen), 0);
        CHECK(seen.code == *one && seen.stamp == shared);
        page_fill(*one, 0x10000, first);
        CHECK_EQ(page_call(*one, 1023), first + 1023);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(ffi_static_stamp_free(code[i]), 0);
    return NULL;
}

CASE(eight_threads_copy_and_free)
{
    pthread_t thread[THREADS];
    shared = open_stamp(&behind);
    rounds = test_scaled(400);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, come_and_go, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_EQ(test_stats().copies, 0);
    CHECK_EQ(ffi_static_stamp_close(shared), 0);
}

/* --- fork ------------------------------------------------------------------------------------- */

static pid_t forked(void)
{
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        test_maps_reopen();
    }
    return child;
}

CASE(both_sides_of_a_fork_have_their_own_data)
{
    ffi_static_stamp *stamp = open_stamp(&behind);
    void *a = copy(stamp), *b = copy(stamp), *more;
    page_fill(a, 0x10000, 1000);
    page_fill(b, 0x10000, 3000);
    pid_t child = forked();
    if (child == 0) {
        page_right(a, 1000);
        page_fill(a, 0x10000, 7000);
        CHECK_EQ(ffi_static_stamp_free(b), 0);
        more = copy(stamp);
        page_fill(more, 0x10000, 9000);
        page_right(a, 7000);
        page_right(more, 9000);
        CHECK_EQ(test_stats().copies, 2);
        CHECK_EQ(api.check(), 0);
        test_audit();
        CHECK_EQ(ffi_static_stamp_free(a), 0);
        CHECK_EQ(ffi_static_stamp_free(more), 0);
        CHECK_EQ(ffi_static_stamp_close(stamp), 0);
        _exit(0);
    }
    test_wait(child);
    page_right(a, 1000);
    page_right(b, 3000);
    CHECK_EQ(test_stats().copies, 2);
    CHECK_EQ(ffi_static_stamp_free(b), 0);
}

static bool stop; /* atomic */

static void *until_stopped(void *number)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        void *code = copy(shared);
        page_fill(code, 0x10000, (uintptr_t)number);
        CHECK_EQ(ffi_static_stamp_free(code), 0);
    }
    return NULL;
}

CASE(fork_while_others_copy)
{
    pthread_t thread[3];
    shared = open_stamp(&behind);
    void *kept = copy(shared);
    page_fill(kept, 0x10000, 100);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, until_stopped, (void *)i), 0);
    for (size_t i = 0, n = test_scaled(100) < 3 ? 3 : test_scaled(100); i < n; i++) {
        pid_t child = forked();
        if (child == 0) {
            void *code = copy(shared);
            page_fill(code, 0x10000, 5000);
            page_right(code, 5000);
            page_right(kept, 100);
            CHECK_EQ(api.check(), 0);
            CHECK_EQ(ffi_static_stamp_free(code), 0);
            CHECK_EQ(ffi_static_stamp_free(kept), 0);
            _exit(0);
        }
        test_wait(child);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_EQ(test_stats().copies, 1);
    page_right(kept, 100);
}

/* --- landing pads ----------------------------------------------------------------------------- */

CASE(copies_with_landing_pads_run)
{
    ffi_static_stamp *stamp;
    CHECK_EQ(ffi_static_stamp_open(&behind, FFI_STATIC_STAMP_LANDING, &stamp), 0);
    void *code = copy(stamp);
    page_fill(code, 0x10000, 50);
    page_right(code, 50);
    CHECK_EQ(ffi_static_stamp_free(code), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

/* Does this processor refuse a jump past a landing pad? (Linux, arm64 hwcaps) */
static bool has_landing_pads(void)
{
#ifdef __aarch64__
    return getauxval(AT_HWCAP2) & (1u << 17); /* BTI */
#else
    return false;
#endif
}

CASE(a_call_past_the_landing_pad_ends_the_process)
{
    ffi_static_stamp *stamp;
    int status;
    if (!has_landing_pads())
        test_skip("no marked pages here: needs AArch64 with BTI");
    CHECK_EQ(ffi_static_stamp_open(&behind, FFI_STATIC_STAMP_LANDING, &stamp), 0);
    char *past = (char *)copy(stamp) + 4;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit((int)page_call(past, 0));
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
    CHECK_EQ(ffi_static_stamp_open(&behind, 0, &stamp), 0);
    past = (char *)copy(stamp) + 4; /* without the flag nothing is marked but what `text` copies */
    struct ffi_static_copy seen;
    CHECK_EQ(ffi_static_stamp_query(past, &seen), 0);
    if (strcmp(seen.provider, "text") != 0)
        CHECK_EQ(page_call(past, 0), 0);
}
