/* SPDX-License-Identifier: MIT */
/* api.c - the public functions do what ffi_static.h says of them, on a good day */
#include "fs_test.h"
#include <pthread.h>

CASE(a_closure_is_one_slot)
{
    CHECK_EQ(sizeof(ffi_static_closure), sizeof(void *) * 8);
    CHECK_EQ(offsetof(ffi_static_closure, reserved), 0);
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ((uintptr_t)made.closure % CELL, 0);
    CHECK_EQ((uintptr_t)made.code % 16, 0);
    test_free(&made);
}

CASE(the_version_is_that_of_the_header)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", FFI_STATIC_VERSION_MAJOR, FFI_STATIC_VERSION_MINOR,
             FFI_STATIC_VERSION_PATCH);
    CHECK_EQ(strcmp(text, ffi_static_version()), 0);
}

CASE(address_and_from_address_are_inverse)
{
    CHECK_EQ(test_make_many(many, 5000), 5000);
    for (int i = 0; i < 5000; i++) {
        CHECK(api.address(many[i].closure) == many[i].code);
        CHECK(api.from_address(many[i].code) == many[i].closure);
    }
    test_free_many(many, 5000);
}

CASE(a_closure_has_an_address_before_it_is_prepared)
{
    void *code;
    ffi_static_closure *closure = api.alloc(sizeof *closure, 0, &code);
    CHECK(closure != NULL);
    CHECK(api.address(closure) == code);
    CHECK(api.from_address(code) == closure);
    CHECK_EQ(api.release(closure), 0);
}

CASE(the_code_cannot_be_written_nor_the_data_run)
{
    CHECK_EQ(test_make_many(many, 5000), 5000);
    for (int i = 0; i < 5000; i += 100) {
        CHECK_EQ(strcmp(test_map_of(many[i].code).perms, "r-xp"), 0);
        CHECK_EQ(strcmp(test_map_of(many[i].closure).perms, "rw-p"), 0);
    }
    test_free_many(many, 5000);
}

CASE(prep_again_changes_what_it_does_not_where_it_is)
{
    struct made made;
    CHECK(test_make(&made, 0));
    for (long key = 1; key < 3000; key++) {
        unsigned kind = (unsigned)(key % KINDS);
        CHECK_EQ(api.prep(made.closure, test_cif(kind), test_handler(kind), (void *)key, 0), 0);
        CHECK(api.address(made.closure) == made.code);
        made.key = key;
        test_call(&made);
    }
    test_free(&made);
}

CASE(what_lies_behind_the_closure_is_zero_and_ours)
{
    for (int round = 0; round < 3; round++) {
        struct {
            ffi_static_closure closure;
            unsigned char rest[1000];
        } * mine;
        struct made made = {.key = 12};
        mine = (void *)api.alloc(sizeof *mine, 0, &made.code);
        CHECK(mine != NULL);
        for (size_t i = 0; i < sizeof mine->rest; i++)
            CHECK_EQ(mine->rest[i], 0);
        memset(mine->rest, 0x5a, sizeof mine->rest);
        made.closure = &mine->closure;
        CHECK_EQ(api.prep(made.closure, test_cif(0), test_handler(0), (void *)12, 0), 0);
        test_call(&made);
        for (size_t i = 0; i < sizeof mine->rest; i++)
            CHECK_EQ(mine->rest[i], 0x5a);
        test_free(&made);
    }
}

CASE(a_zeroed_closure_is_still_a_closure)
{
    CHECK_EQ(test_make_many(many, 600), 600); /* resident ones and mapped ones */
    for (int i = 0; i < 600; i++) {
        unsigned kind = (unsigned)(many[i].key % KINDS);
        memset(many[i].closure, 0, sizeof(ffi_static_closure));
        CHECK(api.address(many[i].closure) == many[i].code);
        void *data = (void *)many[i].key;
        CHECK_EQ(api.prep(many[i].closure, test_cif(kind), test_handler(kind), data, 0), 0);
        test_call(&many[i]);
        memset(many[i].closure, 0, sizeof(ffi_static_closure));
        CHECK_EQ(api.release(many[i].closure), 0);
        CHECK_EQ(api.release(many[i].closure), -EALREADY);
    }
    CHECK_EQ(test_stats().live, 0);
}

struct seen {
    ffi_cif *cif;
    void *data;
    int x;
};

static void looks(ffi_cif *cif, void *ret, void **args, void *data)
{
    *(struct seen *)data = (struct seen){cif, data, *(int *)args[0]};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    *(ffi_sarg *)ret = 77;
#else
    *(int *)ret = 77; /* at its own width, as the header allows */
#endif
}

CASE(the_handler_gets_the_cif_and_the_user_data)
{
    struct made made;
    struct seen seen = {0};
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), looks, &seen, 0), 0);
    ffi_static_closure *closure = made.closure;
    CHECK(closure->cif == test_cif(0));
    CHECK(closure->handler == looks);
    CHECK(closure->user_data == &seen);
    CHECK_EQ(((int (*)(int))made.code)(-5), 77);
    CHECK(seen.cif == test_cif(0) && seen.data == &seen && seen.x == -5);
    test_free(&made);
}

static int voids_called;

static void writes_a_result_all_the_same(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif;
    (void)args;
    CHECK_EQ((uintptr_t)ret % sizeof(ffi_arg), 0);
    memset(ret, 0xa5, sizeof(ffi_arg));
    voids_called += *(int *)user;
}

/* Handlers that fill ret whatever the type is were harmless with libffi, so they are here. */
CASE(a_handler_of_a_void_function_may_write_a_result)
{
    ffi_type *types[] = {&ffi_type_sint, &ffi_type_double, &ffi_type_sint};
    int one = 1;
    for (unsigned nargs = 0; nargs <= 3; nargs++) {
        ffi_cif cif;
        void *code;
        CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, nargs, &ffi_type_void, types), FFI_OK);
        ffi_static_closure *closure = api.alloc(sizeof *closure, 0, &code);
        CHECK(closure != NULL);
        CHECK_EQ(api.prep(closure, &cif, writes_a_result_all_the_same, &one, 0), 0);
        voids_called = 0;
        for (int i = 0; i < 1000; i++) /* C may pass arguments that the callee does not take */
            ((void (*)(int, double, int))code)(i, i, i);
        CHECK_EQ(voids_called, 1000);
        CHECK_EQ(api.release(closure), 0);
    }
}

static int depth;

static void recurses(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    int x = *(int *)args[0];
    depth++;
    *(ffi_sarg *)ret = x ? x + ((int (*)(int))data)(x - 1) : 0;
}

CASE(a_handler_may_call_its_own_closure)
{
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), recurses, made.code, 0), 0);
    CHECK_EQ(((int (*)(int))made.code)(1000), 500500);
    CHECK_EQ(depth, 1001);
    test_free(&made);
}

static void makes_more(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    (void)data;
    struct made inner[50];
    CHECK_EQ(test_make_many(inner, 50), 50);
    test_free_many(inner, 50);
    *(ffi_sarg *)ret = *(int *)args[0] * 2;
}

CASE(a_handler_may_make_closures)
{
    struct made made;
    CHECK(test_make(&made, 0));
    CHECK_EQ(api.prep(made.closure, test_cif(0), makes_more, NULL, 0), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(((int (*)(int))made.code)(i), 2 * i);
    test_free(&made);
}

static void *error_of_thread(void *data)
{
    CHECK_EQ(strcmp(api.error(), ""), 0); /* the other thread's failure is not mine */
    CHECK(api.alloc(0, 0, NULL) == NULL);
    CHECK(strlen(api.error()) > 0);
    return data;
}

CASE(the_error_text_belongs_to_the_thread)
{
    char before[512];
    pthread_t thread;
    CHECK_EQ(strcmp(api.error(), ""), 0);
    CHECK_EQ(api.release((void *)4096), -EINVAL);
    CHECK(strlen(api.error()) < sizeof before);
    strcpy(before, api.error());
    CHECK(*before != 0);
    CHECK_EQ(pthread_create(&thread, NULL, error_of_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(strcmp(before, api.error()), 0);
    struct made made;
    CHECK(test_make(&made, 0)); /* what succeeds leaves the text */
    CHECK_EQ(strcmp(before, api.error()), 0);
    test_free(&made);
}

CASE(providers_are_in_the_documented_order)
{
    static const char *const order[] = {"resident", "trampfd", "text", "file", "memfd"};
    unsigned at = 0, n = ffi_static_provider_count();
    CHECK(n >= 4 && n <= 5);
    for (unsigned i = 0; i < n; i++) {
        const char *name = ffi_static_provider_name(i);
        while (at < 5 && strcmp(order[at], name))
            at++;
        CHECK(at < 5);
        CHECK(strlen(ffi_static_provider_about(name)) > 20);
    }
    CHECK_EQ(strcmp(ffi_static_provider_name(0), "resident"), 0);
}

CASE(the_first_closures_are_resident_and_then_others_follow)
{
    CHECK_EQ(test_make_many(many, 3000), 3000);
    CHECK_EQ(strcmp(api.provider_of(many[0].code), "resident"), 0);
    CHECK(strcmp(api.provider_of(many[2999].code), "resident") != 0);
    test_free_many(many, 3000);
}

CASE(the_stats_struct_may_grow_and_may_be_small)
{
    struct {
        struct ffi_static_stats known;
        uint64_t unknown;
    } stats;
    struct made made;
    CHECK(test_make(&made, 0));
    memset(&stats, 0x5a, sizeof stats);
    CHECK_EQ(api.get_stats(&stats.known, sizeof stats), 0);
    CHECK_EQ(stats.known.size, sizeof stats.known);
    CHECK_EQ(stats.known.live, 1);
    CHECK_EQ(stats.unknown, 0x5a5a5a5a5a5a5a5a);
    memset(&stats, 0x5a, sizeof stats);
    CHECK_EQ(api.get_stats(&stats.known, 2 * sizeof(uint64_t)), 0);
    CHECK_EQ(stats.known.size, 2 * sizeof(uint64_t));
    CHECK_EQ(stats.known.live, 1);
    CHECK_EQ(stats.known.cached, 0x5a5a5a5a5a5a5a5a);
    test_free(&made);
}

CASE(the_stats_count_what_is_there)
{
    struct ffi_static_stats none = test_stats(), some, after;
    CHECK_EQ(none.live, 0);
    CHECK_EQ(none.tables, 0);
    CHECK_EQ(test_make_many(many, MANY), MANY);
    some = test_stats();
    CHECK_EQ(some.live, MANY);
    CHECK(some.slots >= MANY + some.cached);
    CHECK(some.tables > 0 && some.tables == some.maps - some.unmaps);
    test_free_many(many, MANY);
    after = test_stats();
    CHECK_EQ(after.live, 0);
    CHECK(after.empty_tables <= after.tables);
    CHECK_EQ(after.tables, after.maps - after.unmaps);
}
