/* SPDX-License-Identifier: MIT */
/* flang.c - pointers to internal procedures as flang's code makes them with -fsafe-trampoline */
#include "nested.h"

#include <pthread.h>

struct internal {
    struct frame frame;
    void *handle;
};

static void init(struct internal *p, long number)
{
    char scratch[32];
    p->frame.number = number;
    p->handle = _FortranATrampolineInit(scratch, (void *)(uintptr_t)nested_target_nest, &p->frame);
    p->frame.pointer = _FortranATrampolineAdjust(p->handle);
}

CASE(init_adjust_free)
{
    struct internal p, q;
    init(&p, 3);
    init(&q, 4);
    CHECK_FRAME(p.frame);
    CHECK_FRAME(q.frame);
    _FortranATrampolineFree(p.handle);
    CHECK_FRAME(q.frame);
    _FortranATrampolineFree(q.handle);
}

/* flang's own has room for 1,024. */
CASE(twenty_thousand_are_alive)
{
    size_t n = test_scaled(20000);
    struct internal *p = calloc(n, sizeof *p);
    CHECK(p);
    for (size_t i = 0; i < n; i++)
        init(&p[i], (long)i);
    for (size_t i = 0; i < n; i++)
        CHECK_FRAME(p[i].frame);
    for (size_t i = 0; i < n; i += 2)
        _FortranATrampolineFree(p[i].handle);
    for (size_t i = 1; i < n; i += 2)
        CHECK_FRAME(p[i].frame);
    for (size_t i = 1; i < n; i += 2)
        _FortranATrampolineFree(p[i].handle);
    free(p);
}

static void *make(void *p)
{
    init(p, 6);
    return NULL;
}

static void *end(void *p)
{
    _FortranATrampolineFree(((struct internal *)p)->handle);
    return NULL;
}

/* Made in one thread, called here when that has ended, freed in another. */
CASE(it_outlives_its_thread)
{
    static struct nested_seen seen;
    struct internal p;
    pthread_t thread;
    for (size_t i = 0; i < test_scaled(5000); i++) {
        CHECK_EQ(pthread_create(&thread, NULL, make, &p), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_FRAME(p.frame);
        nested_see(&seen, p.frame.pointer);
        CHECK_EQ(pthread_create(&thread, NULL, end, &p), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(seen.count <= 256, "%zu different addresses", seen.count);
}

/* C frames and Fortran frames in one program take slots from the same thread. */
CASE(beside_nested_functions)
{
    struct internal p[10];
    for (long i = 0; i < 10; i++) {
        struct frame f = {i, NULL};
        CREATED(f);
        init(&p[i], 10 * i);
        CHECK_FRAME(f);
        DELETED();
        for (long k = 0; k <= i; k++)
            CHECK_FRAME(p[k].frame);
    }
    for (long i = 0; i < 10; i++)
        _FortranATrampolineFree(p[i].handle);
}

CASE_WITHOUT_AUDIT(freed_twice)
{
    struct internal p;
    init(&p, 3);
    _FortranATrampolineFree(p.handle);
    _FortranATrampolineFree(p.handle);
}

CASE_WITHOUT_AUDIT(adjusted_null)
{
    _FortranATrampolineAdjust(NULL);
}

CASE_WITHOUT_AUDIT(freed_what_gcc_made)
{
    struct frame f = {5, NULL};
    CREATED(f);
    _FortranATrampolineFree(f.pointer);
}
