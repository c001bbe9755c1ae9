/* SPDX-License-Identifier: MIT */
/* libffi.h - a libffi given by its path, beyond what all libraries under test have
 *
 * `DAYS_LIBFFI=... days CASE [args]` loads that libffi.so.8 by dlopen() and runs one case in a
 * process of its own. The same case runs on the patched library, on stock and on upstream's, so a
 * case never asserts what only one of them does: it says what happened (outcome), in words that are
 * the same in every run, and ends the process at once when an answer was wrong. run.py judges.
 */
#ifndef BAD_DAYS_LIBFFI_H
#define BAD_DAYS_LIBFFI_H

#include "harness.h"

/* The libffi under test. A name that it does not export is NULL. */
struct libffi {
    const char *path;
    void *handle;
    void *(*closure_alloc)(size_t, void **);
    void (*closure_free)(void *);
    ffi_status (*prep_closure)(ffi_closure *, ffi_cif *, test_function, void *);
    ffi_status (*prep_closure_loc)(ffi_closure *, ffi_cif *, test_function, void *, void *);
    ffi_type *pointer;
};
extern struct libffi lib;
void lib_load(void);
void *lib_symbol(const char *name); /* NULL: not exported */

/* What the closures of a key are prepared with. */
static inline ffi_cif *key_cif(long key)
{
    return test_cif((unsigned)(key % KINDS));
}

static inline test_function key_handler(long key)
{
    return test_handler((unsigned)(key % KINDS));
}

/* The arguments, by their place; a missing one skips the case. */
static inline char *argument(int i)
{
    if (i >= test_argc)
        test_skip("argument %d is missing", i);
    return test_argv[i];
}

/* As many closures as the first argument says. */
static inline size_t first_crowd(void)
{
    size_t n = (size_t)atol(argument(0));
    CHECK_EQ(test_make_many(many, n), n);
    return n;
}

#endif
