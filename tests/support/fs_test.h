/* SPDX-License-Identifier: MIT */
/* fs_test.h - what every C test of the library stands on: the harness, and the library's functions
 */
#ifndef FS_TEST_H
#define FS_TEST_H

#include "harness.h"
#include "ffi_static.h"

/* The library as the test sees it: linked, or loaded by dlopen (test_load). */
struct test_api {
    ffi_static_closure *(*alloc)(size_t, unsigned, void **);
    int (*prep)(ffi_static_closure *, ffi_cif *, ffi_static_handler, void *, unsigned);
    void *(*address)(const ffi_static_closure *);
    ffi_static_closure *(*from_address)(const void *);
    int (*release)(ffi_static_closure *);
    const char *(*error)(void);
    const char *(*provider_of)(const void *);
    int (*get_stats)(struct ffi_static_stats *, size_t);
    int (*check)(void);
};
extern struct test_api api;

/* The call returns exactly this errno, and the library says why. */
#define REFUSED(expr, code)                                                                        \
    do {                                                                                           \
        int rc_ = (expr);                                                                          \
        CHECK(rc_ == -(code), "%s: expected -%s (%d), seen %d", #expr, #code, -(code), rc_);       \
        CHECK(api.error()[0], "no error text for %s", #expr);                                      \
    } while (0)

/* Bytes of a closure, which is one slot: eight words. */
enum { CELL = sizeof(ffi_static_closure) };

/* A closure that must be had: the case fails when the library refuses. */
ffi_static_closure *test_alloc(size_t size, void **code);

struct ffi_static_stats test_stats(void);

/* Point `api` at the library of that path. Returns dlopen's handle. */
void *test_load(const char *path);
/* The same in a namespace of its own, with a C library of its own: dlmopen(3). */
void *test_load_elsewhere(const char *path);

#endif /* FS_TEST_H */
