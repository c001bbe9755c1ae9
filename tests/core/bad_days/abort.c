/* SPDX-License-Identifier: MIT */
/* abort.c - calls that must end the process: of freed and of unprepared closures
 *
 * Each case prints the address that it is about to call and calls it. The reader of this
 * program expects SIGABRT and one line on stderr that names the address and what is wrong.
 */
#include "fs_test.h"
#include <pthread.h>

static int call(void *code)
{
    printf("%p\n", code);
    fflush(stdout);
    return ((int (*)(int))code)(1);
}

static void call_freed(struct made *made)
{
    void *code = made->code;
    test_free(made);
    call(code);
}

CASE_WITHOUT_AUDIT(freed_int)
{
    struct made made;
    CHECK(test_make(&made, 0));
    call_freed(&made);
}

CASE_WITHOUT_AUDIT(freed_double)
{
    struct made made;
    CHECK(test_make(&made, 1));
    call_freed(&made);
}

CASE_WITHOUT_AUDIT(freed_general)
{
    struct made made;
    CHECK(test_make(&made, 2));
    call_freed(&made);
}

CASE_WITHOUT_AUDIT(freed_run)
{
    struct made made = {0};
    made.closure = api.alloc(FFI_STATIC_MAX_SIZE, 0, &made.code);
    CHECK(made.closure != NULL);
    CHECK_EQ(api.prep(made.closure, test_cif(0), test_handler(0), NULL, 0), 0);
    call_freed(&made);
}

/* Among others that stay, so that its table stays: also behind the resident table. */
CASE_WITHOUT_AUDIT(freed_among_many)
{
    size_t n = test_make_many(many, 5000);
    CHECK_EQ(n, 5000);
    call_freed(&many[2500]);
}

CASE_WITHOUT_AUDIT(freed_and_others_allocated_since)
{
    struct made made, others[3];
    CHECK(test_make(&made, 0));
    void *code = made.code;
    test_free(&made);
    for (int i = 0; i < 3; i++) {
        CHECK(test_make(&others[i], i));
        if (others[i].code == code) { /* handed out again: then it is the new one's */
            test_call(&others[i]);
            test_free(&others[i]);
            call(code);
        }
    }
    call(code);
}

static void *free_it(void *made)
{
    test_free(made);
    return NULL;
}

CASE_WITHOUT_AUDIT(freed_by_a_thread_that_is_gone)
{
    struct made made;
    pthread_t thread;
    CHECK(test_make(&made, 0));
    void *code = made.code;
    CHECK_EQ(pthread_create(&thread, NULL, free_it, &made), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    call(code);
}

static void frees_itself(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    struct made *made = data;
    int x = *(int *)args[0];
    test_free(made);
    *(ffi_sarg *)ret = x + 1;
}

/* The call under way returns normally; the next one does not. */
CASE_WITHOUT_AUDIT(freed_by_its_own_handler)
{
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), frees_itself, &made, 0), 0);
    void *code = made.code;
    CHECK_EQ(((int (*)(int))code)(41), 42);
    call(code);
}

CASE_WITHOUT_AUDIT(unprepared)
{
    void *code;
    CHECK(api.alloc(sizeof(ffi_static_closure), 0, &code) != NULL);
    call(code);
}

CASE_WITHOUT_AUDIT(unprepared_run)
{
    void *code;
    CHECK(api.alloc(FFI_STATIC_MAX_SIZE, 0, &code) != NULL);
    call(code);
}

/* A slot's second life starts as unprepared as its first. */
CASE_WITHOUT_AUDIT(unprepared_after_reuse)
{
    for (int i = 0; i < 1000; i++) {
        struct made made;
        CHECK(test_make(&made, i));
        test_free(&made);
    }
    void *code;
    CHECK(api.alloc(sizeof(ffi_static_closure), 0, &code) != NULL);
    call(code);
}

CASE_WITHOUT_AUDIT(unprepared_beyond_the_resident_table)
{
    CHECK_EQ(test_make_many(many, 5000), 5000);
    void *code;
    CHECK(api.alloc(sizeof(ffi_static_closure), 0, &code) != NULL);
    call(code);
}

/* Where so many are freed that their table is unmapped, nothing is left to print a line: the
 * address is no longer there at all. */
CASE_WITHOUT_AUDIT(table_gone)
{
    CHECK_EQ(test_make_many(many, MANY), MANY);
    void *code = many[MANY / 2].code;
    test_free_many(many, MANY);
    CHECK(test_stats().unmaps > 0);
    call(code);
}
