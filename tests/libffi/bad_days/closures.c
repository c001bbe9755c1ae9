/* SPDX-License-Identifier: MIT */
/* closures.c - uses of the closure functions that are rare, wrong, or both */
#include "days.h"
#include "libffi.h"
#include <sys/mman.h>

/* A live closure is prepared again, for other signatures, at the same address. */
CASE(prepared_again)
{
    struct made l;
    CHECK(test_make(&l, 0));
    for (long key = 1; key < 3000; key++) {
        l.key = key;
        CHECK_EQ(lib.prep_closure_loc(l.closure, key_cif(key), key_handler(key),
                                      (void *)(intptr_t)key, l.code),
                 FFI_OK);
        CHECK(test_right(&l));
    }
    test_free(&l);
    outcome("goes on");
}

/* ffi_prep_closure(), the older function, on what ffi_closure_alloc() gave. It takes the code to be
 * where the data is; where they are apart it may answer right or refuse. */
CASE(prep_closure_on_allocated)
{
    void *code, *closure = lib.closure_alloc(sizeof(ffi_closure), &code);
    CHECK(closure != NULL);
    ffi_status status = lib.prep_closure(closure, key_cif(0), key_handler(0), (void *)7);
    struct made l = {closure, code, 7 * 3};
    if (status != FFI_OK)
        outcome("refused: status %d", (int)status);
    else if (((int (*)(int))l.code)(1) == 8)
        outcome("goes on at its code address");
    else
        test_fail(__FILE__, __LINE__, "wrong answer");
}

static void prepared_in(void *memory, ffi_status status)
{
    if (status != FFI_OK) {
        outcome("refused: status %d", (int)status);
        return;
    }
    /* Never writable and executable at once: it is one first, then the other. */
    CHECK_EQ(mprotect(memory, 65536, PROT_READ | PROT_EXEC), 0);
    struct made l = {memory, memory, 9};
    if (!test_right(&l))
        test_fail(__FILE__, __LINE__, "wrong answer");
    outcome("`FFI_OK`; answers right once the user has made it executable");
}

static void *own_memory(void)
{
    void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

CASE(own_memory_prep_closure)
{
    void *memory = own_memory();
    prepared_in(memory, lib.prep_closure(memory, key_cif(9), key_handler(9), (void *)9));
}

CASE(own_memory_prep_closure_loc)
{
    void *memory = own_memory();
    prepared_in(memory,
                lib.prep_closure_loc(memory, key_cif(9), key_handler(9), (void *)9, memory));
}

/* Tables do not fill the 512 KiB from one to the next. Memory that the user maps in a gap, by a
 * hint, is the user's own like any other. */
CASE(own_memory_beside_closures)
{
    const uintptr_t span = 0x80000, behind = 0x60000;
    char *closure = NULL;
    void *code;
    for (int i = 0; i < 400; i++)
        CHECK((closure = lib.closure_alloc(sizeof(ffi_closure), &code)) != NULL);
    void *hint = (void *)((uintptr_t)closure / span * span + behind);
    void *memory = mmap(hint, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    prepared_in(memory,
                lib.prep_closure_loc(memory, key_cif(9), key_handler(9), (void *)9, memory));
}

/* Memory that nobody makes executable: preparing must not, either. */
CASE(own_memory_stays_as_it_was)
{
    void *memory = own_memory();
    ffi_status status = lib.prep_closure(memory, key_cif(9), key_handler(9), (void *)9);
    if (strncmp(test_map_of(memory).perms, "rw-", 3))
        test_fail(__FILE__, __LINE__, "the user's memory has other rights");
    if (status != FFI_OK)
        outcome("refused: status %d", (int)status);
    else
        outcome("`FFI_OK`; it stays read-write, calling it would be the user's SIGSEGV");
}

/* BYTE [again]: a program may fill a closure's memory before it prepares the closure, or between
 * two preparations. */
CASE(overwritten)
{
    enum { SOME = 3000, SIZE = 200 };
    int byte = atoi(argument(0));
    bool again = test_argc > 1;
    for (long key = 0; key < SOME; key++) {
        struct made *l = &many[key];
        l->key = key;
        l->closure = lib.closure_alloc(SIZE, &l->code);
        CHECK(l->closure != NULL);
        if (again)
            CHECK_EQ(lib.prep_closure_loc(l->closure, key_cif(key + 1), key_handler(key + 1), NULL,
                                          l->code),
                     FFI_OK);
        memset(l->closure, byte, SIZE);
        CHECK_EQ(lib.prep_closure_loc(l->closure, key_cif(key), key_handler(key),
                                      (void *)(intptr_t)key, l->code),
                 FFI_OK);
    }
    day_call_all(SOME, false);
    for (long key = 0; key < SOME; key++)
        test_free(&many[key]);
    outcome("goes on");
}

/* The program clears a closure before it frees it. */
CASE(cleared_before_free)
{
    enum { SOME = 3000 };
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(test_make_many(many, SOME), SOME);
        for (size_t i = 0; i < SOME; i++) {
            memset(many[i].closure, 0, sizeof(ffi_closure));
            test_free(&many[i]);
        }
    }
    outcome("freed");
}

/* A struct of the user's with the closure at its head, as gobject-introspection's. */
static const char *size_works(size_t size)
{
    enum { BESIDE = 3 };
    unsigned char *data[BESIDE];
    struct made l[BESIDE];
    for (int i = 0; i < BESIDE; i++) {
        if (!(data[i] = lib.closure_alloc(size, &l[i].code)))
            return i ? "NULL after some" : "NULL";
        l[i] = (struct made){data[i], l[i].code, (long)size + i};
    }
    for (int i = 0; i < BESIDE; i++) {
        size_t after = size > sizeof(ffi_closure) ? size - sizeof(ffi_closure) : 0;
        CHECK_EQ(lib.prep_closure_loc(l[i].closure, key_cif(l[i].key), key_handler(l[i].key),
                                      (void *)(intptr_t)l[i].key, l[i].code),
                 FFI_OK);
        memset(data[i] + sizeof(ffi_closure), 0xa0 + i, after);
    }
    for (int i = 0; i < BESIDE; i++) {
        if (!test_right(&l[i]))
            test_fail(__FILE__, __LINE__, "a closure of %zu bytes gives a wrong answer", size);
        for (size_t at = sizeof(ffi_closure); at < size; at++)
            if (data[i][at] != 0xa0 + i)
                test_fail(__FILE__, __LINE__, "the user's bytes in one of %zu bytes changed", size);
    }
    for (int i = 0; i < BESIDE; i++)
        test_free(&l[i]);
    return NULL;
}

/* As far as a table of the patched library reaches: 4,095 slots of 64 bytes. */
CASE(sizes_to_262080)
{
    for (size_t size = sizeof(ffi_closure); size <= 262080; size += size < 8192 ? 8 : 4088) {
        const char *no = size_works(size);
        if (no)
            test_fail(__FILE__, __LINE__, "%zu bytes: %s", size, no);
    }
    outcome("each works, and keeps the user's bytes");
}

CASE(size_of)
{
    const char *no = size_works(strtoul(argument(0), NULL, 10));
    outcome("%s", no ? no : "works");
}

CASE(size_too_small)
{
    struct made l = {.key = 0};
    l.closure = lib.closure_alloc(0, &l.code);
    if (!l.closure) {
        outcome("NULL");
        return;
    }
    lib.closure_free(l.closure);
    outcome("memory is given");
}

CASE(no_place_for_the_code_address)
{
    outcome("%s", lib.closure_alloc(sizeof(ffi_closure), NULL) ? "memory is given" : "NULL");
}

CASE(free_null)
{
    lib.closure_free(NULL);
    outcome("nothing happens");
}

CASE(free_by_code_address)
{
    struct made l;
    for (long key = 0; key < 30000; key++) {
        CHECK(test_make(&l, key));
        CHECK(test_right(&l));
        lib.closure_free(l.code);
    }
    outcome("freed");
}

/* The next five are mistakes: the outcome is told beforehand, for a library that goes on. */
CASE(free_twice)
{
    struct made a, b, c;
    CHECK(test_make(&a, 1) && test_make(&b, 2));
    lib.closure_free(a.closure);
    lib.closure_free(a.closure);
    CHECK(test_make(&a, 4) && test_make(&c, 5));
    if (a.closure == c.closure)
        outcome("not noticed: two closures get the same memory");
    else
        outcome("not noticed");
}

CASE(free_of_heap_memory)
{
    lib.closure_free(malloc(64));
    outcome("not noticed");
}

CASE(free_of_the_middle)
{
    struct made l;
    CHECK(test_make(&l, 1));
    lib.closure_free((char *)l.closure + 8);
    outcome("not noticed");
}

/* In a closure larger than a slot, at what could be a closure of its own. */
CASE(free_of_the_middle_of_a_large_one)
{
    struct made l;
    CHECK((l.closure = lib.closure_alloc(1024, &l.code)) != NULL);
    lib.closure_free((char *)l.closure + 512);
    outcome("not noticed");
}

static void prepare_at(void *where, void *code)
{
    ffi_status status =
        lib.prep_closure_loc(where, key_cif(1), key_handler(1), (void *)(uintptr_t)1, code);
    outcome("not noticed: %s", status == FFI_OK ? "`FFI_OK`" : "an error");
}

CASE(prepared_after_free)
{
    struct made l, kept;
    CHECK(test_make(&kept, 3) && test_make(&l, 1));
    lib.closure_free(l.closure);
    prepare_at(l.closure, l.code);
}

CASE(prepared_in_the_middle)
{
    struct made l;
    CHECK((l.closure = lib.closure_alloc(1024, &l.code)) != NULL);
    prepare_at((char *)l.closure + 512, (char *)l.code + 512);
}

/* Where code and data are one, that is the closure. */
CASE(prepared_at_the_code_address)
{
    struct made l;
    CHECK((l.closure = lib.closure_alloc(sizeof(ffi_closure), &l.code)) != NULL);
    outcome("`NULL`");
    prepare_at(l.code, l.code);
}

/* As a program may do that takes libffi's memory for an allocator's. */
CASE(several_in_one_allocation)
{
    ffi_closure *pool = lib.closure_alloc(8 * sizeof *pool, (void **)&many[0].code);
    CHECK(pool != NULL);
    for (int i = 0; i < 8; i++) {
        struct made *l = &many[i];
        l->key = i;
        l->closure = pool + i;
        l->code = (char *)many[0].code + (size_t)i * sizeof *pool;
        CHECK(lib.prep_closure_loc(l->closure, key_cif(i), key_handler(i), (void *)(uintptr_t)i,
                                   l->code) == FFI_OK);
    }
    day_call_all(8, false);
    outcome("goes on");
}

CASE(called_after_free)
{
    struct made l, kept;
    CHECK(test_make(&kept, 3) && test_make(&l, 3));
    lib.closure_free(l.closure);
    outcome(test_right(&l) ? "not noticed: its handler is called" : "a wrong answer");
}

CASE(called_before_prepared)
{
    void *code, *closure = lib.closure_alloc(sizeof(ffi_closure), &code);
    CHECK(closure != NULL);
    ((void (*)(void))code)();
    outcome("not noticed");
}
