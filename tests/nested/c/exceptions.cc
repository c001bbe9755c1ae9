// SPDX-License-Identifier: MIT
// exceptions.cc - C++ exceptions through the pointers, and out of frames that have some
#define _Noreturn __attribute__((noreturn))
extern "C" {
#include "nested.h"
}

// As GCC's own cleanup does: also when an exception passes.
struct Deleted {
    int nothing;
    __attribute__((always_inline)) ~Deleted()
    {
        DELETED();
    }
};

static NOINLINE long thrower(long depth)
{
    struct frame f = {depth, nullptr};
    CREATED(f);
    Deleted end = {};
    CHECK_FRAME(f);
    if (depth == 0)
        throw 42L;
    return thrower(depth - 1) + nested_call(f.pointer, 1);
}

CASE(frames_that_an_exception_leaves)
{
    struct frame around = {5, nullptr};
    CREATED(around);
    for (long i = 0; i < 2000; i++) {
        long caught = 0;
        try {
            thrower(i % 30);
        } catch (long n) {
            caught = n;
        }
        CHECK_EQ(caught, 42);
        CHECK_FRAME(around);
    }
    DELETED();
}

// C without -fexceptions has no cleanup: its frames are left as longjmp() leaves them.
static NOINLINE long thrower_without_cleanup(struct nested_seen *seen, long depth)
{
    struct frame f = {depth, nullptr};
    CREATED(f);
    nested_see(seen, f.pointer);
    if (depth == 0)
        throw 43L;
    long n = thrower_without_cleanup(seen, depth - 1) + nested_call(f.pointer, 1);
    DELETED();
    return n;
}

CASE(frames_without_a_cleanup_need_no_more)
{
    static struct nested_seen seen;
    struct frame around = {5, nullptr};
    CREATED(around);
    for (long i = 0; i < 20000; i++) {
        long caught = 0;
        try {
            thrower_without_cleanup(&seen, i % 10);
        } catch (long n) {
            caught = n;
        }
        CHECK_EQ(caught, 43);
    }
    CHECK_FRAME(around);
    CHECK(seen.count <= 300, "%zu different addresses", seen.count);
    DELETED();
}
