/* SPDX-License-Identifier: MIT */
/* harness.h - a list of named tests in one program: `--list`, or the names to run
 *
 * Exit: 0 passed, 1 failed with the line and what was seen.
 */
#ifndef ABI_HARNESS_H
#define ABI_HARNESS_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ffi.h>

#include "ffi_static.h"

struct test {
    const char *name;
    void (*run)(void);
};

#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("%s:%d: %s:", __FILE__, __LINE__, #cond);                                       \
            printf(" " __VA_ARGS__);                                                               \
            printf("\n  ffi_static_error: %s\n", ffi_static_error());                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call fails with exactly this errno, and says something. */
#define REFUSED(expr, code)                                                                        \
    do {                                                                                           \
        int rc_ = (expr);                                                                          \
        CHECK(rc_ == -(code), "expected -%s (%d), seen %d", #code, -(code), rc_);                  \
        CHECK(ffi_static_error()[0], "no error text for %s", #expr);                               \
    } while (0)

static inline int run_tests(const struct test *tests, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (const struct test *t = tests; t->name; t++)
            puts(t->name);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        const struct test *t = tests;
        while (t->name && strcmp(t->name, argv[i]))
            t++;
        if (!t->name) {
            fprintf(stderr, "no test is called %s\n", argv[i]);
            return 2;
        }
        t->run();
    }
    return 0;
}

static inline ffi_static_closure *closure_or_die(size_t size, void **code)
{
    ffi_static_closure *c = ffi_static_alloc(size, 0, code);
    if (!c) {
        printf("ffi_static_alloc(%zu): %s\n", size, ffi_static_error());
        exit(1);
    }
    return c;
}

/* A handler for int(int): gives the argument plus the int behind user_data. */
static inline void add_user(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif;
    *(ffi_sarg *)ret = *(int *)args[0] + *(int *)user;
}

static inline ffi_cif *int_of_int(void)
{
    static ffi_cif cif;
    static ffi_type *args[] = {&ffi_type_sint32};
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint32, args) != FFI_OK)
        abort();
    return &cif;
}
#endif /* ABI_HARNESS_H */
