/* SPDX-License-Identifier: MIT */
/* days.h - what the cases share: a libffi given by its path, closures of it, and the outcome
 *
 * `days LIBFFI CASE [args]` loads that libffi.so.8 by dlopen() and runs one case in a process of
 * its own. The same case runs on the patched library, on stock and on upstream's, so a case never
 * asserts what only one of them does: it says what happened (outcome), in words that are the
 * same in every run, and ends the process at once when an answer was wrong.
 *
 * Exit status: 0 as it should be; 2 something was wrong (stderr); 3 right, but there is
 * memory that can be written and executed; 4 the system cannot run this case. run.py judges.
 */
#ifndef DAYS_H
#define DAYS_H

#include "fs_test.h" /* CHECK, maps, descriptors */
#include <ffi.h>

typedef void days_handler(ffi_cif *, void *, void **, void *);

/* The libffi under test. A name that it does not export is NULL. */
struct libffi {
    void *handle;
    void *(*closure_alloc)(size_t, void **);
    void (*closure_free)(void *);
    ffi_status (*prep_closure)(ffi_closure *, ffi_cif *, days_handler *, void *);
    ffi_status (*prep_closure_loc)(ffi_closure *, ffi_cif *, days_handler *, void *, void *);
    ffi_status (*prep_cif)(ffi_cif *, ffi_abi, unsigned, ffi_type *, ffi_type **);
    ffi_type *sint, *slong, *dbl, *pointer;
};
extern struct libffi lib;
extern const char *lib_path;
void lib_load(const char *path);
void *lib_symbol(const char *name); /* NULL: not exported */

#define DAY(fn)                                                                                    \
    static void fn(void);                                                                          \
    __attribute__((constructor)) static void register_##fn(void)                                   \
    {                                                                                              \
        day_register(#fn, fn);                                                                     \
    }                                                                                              \
    static void fn(void)
void day_register(const char *name, void (*run)(void));

/* What happened, for the table; the last call counts. */
void outcome(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A closure whose answer tells which one was called. Its kind is key % 3: int(int),
 * double(double), or a long of twelve arguments. */
struct live {
    void *closure, *code;
    long key;
};
#define CROWD 20000
extern struct live crowd[CROWD];
ffi_cif *day_cif(long key);
days_handler *day_handler(long key);
bool live_make(struct live *l, long key); /* false: ffi_closure_alloc() gave NULL */
bool live_right(const struct live *l);
void live_free(struct live *l);
/* Make crowd[from] .. crowd[to-1], calling each at once. Returns how far it came. */
size_t crowd_make(size_t from, size_t to);
/* Fails unless every one of crowd[0] .. crowd[n-1] answers right. */
void crowd_check(size_t n);
/* Make up to CROWD, check all, and say so. */
void crowd_go_on(size_t from);

/* Nothing may be made executable from here on that was writable (PR_SET_MDWE). */
void day_mdwe(void);
/* Wait for a child, at most `seconds`; 0, its signal, 256 + its status, or -1: it hangs (killed).
 */
int day_wait(pid_t child, unsigned seconds);
/* The arguments, by their place; a missing one ends the process. */
const char *day_argument(int i);

#endif
