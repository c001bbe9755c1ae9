/* SPDX-License-Identifier: MIT */
/* input.c - arguments that no caller should pass: refused by errno and a sentence, changing nothing
 *
 * Every refusal is followed by a call of a closure that lives beside it, and the program's end
 * by ffi_static_check(): "nothing changed" is looked at, not believed.
 */
#include "fs_test.h"
#include <pthread.h>
#include <sys/mman.h>

static struct made bystander;

static void refused(int result, int expected, const char *part)
{
    CHECK_EQ(result, expected);
    CHECK(strlen(api.error()) > 10);
    if (part)
        CHECK_HAS(api.error(), part);
    test_call(&bystander);
    CHECK_EQ(api.check(), 0);
}

static void begin(void)
{
    CHECK(test_make(&bystander, 7));
}

static int prep(ffi_static_closure *closure, ffi_cif *cif)
{
    return api.prep(closure, cif, test_handler(0), NULL, 0);
}

CASE(alloc_of_a_wrong_size_is_einval)
{
    static const size_t sizes[] = {0,
                                   1,
                                   sizeof(ffi_static_closure) - 1,
                                   FFI_STATIC_MAX_SIZE + 1,
                                   FFI_STATIC_MAX_SIZE * 1024ul,
                                   SIZE_MAX / 2,
                                   SIZE_MAX - 63,
                                   SIZE_MAX};
    begin();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *code = &begin;
        errno = 0;
        CHECK(api.alloc(sizes[i], 0, &code) == NULL);
        CHECK(code == (void *)&begin);
        refused(-errno, -EINVAL, NULL);
    }
}

CASE(alloc_with_unknown_flags_is_einval)
{
    begin();
    for (unsigned bit = 0; bit < 32; bit++) {
        void *code = &begin;
        if (1u << bit == FFI_STATIC_SEALED)
            continue;
        errno = 0;
        CHECK(api.alloc(sizeof(ffi_static_closure), 1u << bit, &code) == NULL);
        CHECK(code == (void *)&begin);
        refused(-errno, -EINVAL, "flag");
    }
}

CASE(alloc_without_a_place_for_the_code_works)
{
    begin();
    ffi_static_closure *closure = api.alloc(sizeof *closure, 0, NULL);
    CHECK(closure != NULL);
    struct made made = {closure, api.address(closure), 3};
    CHECK_EQ(api.prep(closure, test_cif(0), test_handler(0), (void *)3, 0), 0);
    test_call(&made);
    test_free(&made);
    test_call(&bystander);
}

CASE(prep_with_null_or_flags_is_einval)
{
    begin();
    struct made made;
    CHECK(test_make(&made, 0));
    refused(prep(NULL, test_cif(0)), -EINVAL, NULL);
    refused(prep(made.closure, NULL), -EINVAL, NULL);
    refused(api.prep(made.closure, test_cif(0), NULL, NULL, 0), -EINVAL, NULL);
    for (unsigned bit = 0; bit < 32; bit++)
        refused(api.prep(made.closure, test_cif(0), test_handler(0), NULL, 1u << bit), -EINVAL,
                "flag");
    test_call(&made); /* is what it was */
    test_free(&made);
}

/* Every function that takes a closure, with a pointer to something else. */
static void all_refuse(void *foreign)
{
    refused(prep(foreign, test_cif(0)), -EINVAL, NULL);
    refused(api.release(foreign), -EINVAL, NULL);
    errno = 0;
    CHECK(api.address(foreign) == NULL);
    refused(-errno, -EINVAL, NULL);
    errno = 0;
    CHECK(api.from_address(foreign) == NULL);
    refused(-errno, -EINVAL, NULL);
    CHECK(api.provider_of(foreign) == NULL);
}

CASE(foreign_pointers_are_einval)
{
    static ffi_static_closure in_bss;
    ffi_static_closure on_stack = {0}, *on_heap = calloc(1, 4096);
    char *gap = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(on_heap && gap != MAP_FAILED);
    begin();
    all_refuse(&in_bss);
    all_refuse(&on_stack);
    all_refuse(on_heap);
    all_refuse(gap + 4096);
    CHECK_EQ(munmap(gap, 3 * 4096), 0);
    all_refuse(gap + 4096);
    all_refuse((void *)64);
    all_refuse((void *)4096);
    all_refuse((void *)(UINTPTR_MAX - 63));
    all_refuse((void *)(UINTPTR_MAX / 2 + 1));
    all_refuse((void *)(uintptr_t)test_handler(0));
    all_refuse(test_cif(0));
    free(on_heap);
}

CASE(copies_of_a_closure_are_foreign)
{
    begin();
    char *page = aligned_alloc(4096, 4096);
    CHECK(page != NULL);
    memset(page, 0, 4096);
    memcpy(page, bystander.closure, sizeof(ffi_static_closure));
    all_refuse(page);
    free(page);
}

CASE(misaligned_pointers_are_einval)
{
    begin();
    for (size_t off = 1; off < sizeof(ffi_static_closure); off++)
        all_refuse((char *)bystander.closure + off);
    for (size_t off = 1; off < 16; off++) {
        errno = 0;
        CHECK(api.from_address((char *)bystander.code + off) == NULL);
        refused(-errno, -EINVAL, NULL);
    }
}

CASE(pointers_into_a_run_are_einval)
{
    begin();
    for (size_t size = 65; size <= FFI_STATIC_MAX_SIZE; size += 1000) {
        struct made made = {.key = 9};
        made.closure = api.alloc(size, 0, &made.code);
        CHECK(made.closure != NULL);
        CHECK_EQ(api.prep(made.closure, test_cif(0), test_handler(0), (void *)9, 0), 0);
        /* What lies behind the closure is the caller's, and may look like anything. */
        for (size_t at = sizeof(ffi_static_closure); at + 64 <= size; at += 64) {
            refused(prep((void *)((char *)made.closure + at), test_cif(0)), -EINVAL, NULL);
            memcpy((char *)made.closure + at, made.closure, 64);
            all_refuse((char *)made.closure + at);
        }
        CHECK(api.from_address((char *)made.code + 16) ==
              NULL); /* in the run's second trampoline */
        test_call(&made);
        test_free(&made);
    }
}

CASE(double_free_is_ealready)
{
    begin();
    for (size_t size = 64; size <= FFI_STATIC_MAX_SIZE; size *= 2) {
        ffi_static_closure *closure = api.alloc(size, 0, NULL);
        CHECK(closure != NULL);
        CHECK_EQ(api.release(closure), 0);
        struct ffi_static_stats before = test_stats();
        for (int again = 0; again < 10; again++)
            refused(api.release(closure), -EALREADY, "freed");
        CHECK_EQ(test_stats().live, before.live);
        CHECK_EQ(test_stats().cached, before.cached);
        /* A slot that were free twice would be handed out twice. */
        struct made a, b;
        CHECK(test_make(&a, 3) && test_make(&b, 4));
        CHECK(a.closure != b.closure && a.code != b.code);
        test_call(&a);
        test_call(&b);
        test_free(&a);
        test_free(&b);
    }
}

CASE(a_double_free_by_another_thread_is_ealready)
{
    begin();
    struct made made;
    pthread_t thread;
    CHECK(test_make(&made, 0));
    ffi_static_closure *closure = made.closure;
    void *release = (void *)(uintptr_t)api.release, *result;
    CHECK_EQ(pthread_create(&thread, NULL, (void *(*)(void *))release, closure), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((int)(intptr_t)result, 0);
    refused(api.release(closure), -EALREADY, "freed");
}

CASE(prep_of_a_freed_closure_is_ealready)
{
    begin();
    struct made made;
    CHECK(test_make(&made, 0));
    ffi_static_closure *closure = made.closure;
    void *code = made.code;
    test_free(&made);
    refused(prep(closure, test_cif(0)), -EALREADY, "freed");
    errno = 0;
    CHECK(api.address(closure) == NULL);
    refused(-errno, -EINVAL, NULL);
    CHECK(api.from_address(code) == NULL);
    CHECK(api.provider_of(code) == NULL);
}

CASE(null_has_no_address_and_its_free_does_nothing)
{
    begin();
    CHECK(api.address(NULL) == NULL && api.from_address(NULL) == NULL);
    struct ffi_static_stats before = test_stats();
    CHECK_EQ(api.release(NULL), 0);
    CHECK_EQ(test_stats().live, before.live);
}

CASE(stats_into_nothing_is_einval)
{
    struct ffi_static_stats stats;
    begin();
    refused(api.get_stats(NULL, sizeof stats), -EINVAL, NULL);
    for (size_t size = 0; size < sizeof stats.size; size++)
        refused(api.get_stats(&stats, size), -EINVAL, NULL);
}

CASE(an_unknown_provider_is_named_with_the_legal_ones)
{
    char why[1024] = "";
    begin();
    refused(ffi_static_provider_probe("tarmpfd", why, sizeof why), -EINVAL, NULL);
    for (unsigned i = 0; i < ffi_static_provider_count(); i++)
        CHECK_HAS(why, ffi_static_provider_name(i));
    CHECK_HAS(why, "tarmpfd");
    refused(ffi_static_provider_probe(NULL, why, sizeof why), -EINVAL, NULL);
    refused(ffi_static_provider_probe("", NULL, 0), -EINVAL, NULL);
    memset(why, 'x', sizeof why);
    CHECK_EQ(ffi_static_provider_probe("tarmpfd", why, 8), -EINVAL); /* cut to fit */
    CHECK_EQ(strlen(why), 7);
    CHECK(why[8] == 'x');
    CHECK(ffi_static_provider_about("tarmpfd") == NULL);
    CHECK(ffi_static_provider_about(NULL) == NULL);
    CHECK(ffi_static_provider_name(ffi_static_provider_count()) == NULL);
    CHECK(ffi_static_provider_name(~0u) == NULL);
}
