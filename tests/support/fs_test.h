/* SPDX-License-Identifier: MIT */
/* fs_test.h - what every C test of the library stands on
 *
 * A program holds several cases; `program` lists them, `program case [args]` runs one in a
 * process of its own, so that a case may wreck the process. Exit status: 0 passed, 77 skipped
 * (the reason is on stdout), anything else failed (what did not hold is on stderr).
 *
 * Every process starts under a seccomp filter that KILLS it when anything asks for memory that
 * is writable and executable at once: "no W+X page, ever" is not looked for afterwards, it is
 * the air that the tests breathe. After each case /proc/self/maps is read as well, for what a
 * filter cannot see: a writable alias of executable pages.
 */
#ifndef FS_TEST_H
#define FS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
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

/* cases */
void test_register(const char *name, void (*run)(void), bool audited);
#define CASE_(fn, audited)                                                                         \
    static void fn(void);                                                                          \
    __attribute__((constructor)) static void register_##fn(void)                                   \
    {                                                                                              \
        test_register(#fn, fn, audited);                                                           \
    }                                                                                              \
    static void fn(void)
#define CASE(fn) CASE_(fn, true)
/* For a case that ends the process itself (abort, _exit) or is the far side of an exec. */
#define CASE_WITHOUT_AUDIT(fn) CASE_(fn, false)

extern int test_argc; /* arguments behind the case's name */
extern char **test_argv;

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a failed CHECK() prints: the condition, then what the test adds to it. */
_Noreturn void test_unheld(const char *file, int line, const char *condition, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));
#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_unheld(__FILE__, __LINE__, #cond, " " __VA_ARGS__);                               \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        if (a_ != b_)                                                                              \
            test_fail(__FILE__, __LINE__, "%s is %lld, not %s = %lld", #a, a_, #b, b_);            \
    } while (0)
#define CHECK_HAS(text, part)                                                                      \
    do {                                                                                           \
        const char *t_ = (text), *p_ = (part);                                                     \
        if (!strstr(t_, p_))                                                                       \
            test_fail(__FILE__, __LINE__, "\"%s\" does not name \"%s\"", t_, p_);                  \
    } while (0)

/* The call returns exactly this errno, and the library says why. */
#define REFUSED(expr, code)                                                                        \
    do {                                                                                           \
        int rc_ = (expr);                                                                          \
        CHECK(rc_ == -(code), "%s: expected -%s (%d), seen %d", #expr, #code, -(code), rc_);       \
        CHECK(api.error()[0], "no error text for %s", #expr);                                      \
    } while (0)

/* `n` in a plain run; fewer where $FS_TEST_DIVIDE says that each step costs more (valgrind). */
size_t test_scaled(size_t n);
/* The seconds that a stress case lasts: $FS_TEST_SECONDS, else `otherwise`. */
unsigned test_seconds(unsigned otherwise);
bool test_under_valgrind(void);

/* Does qemu-user run this ($FS_TEST_EMULATED)? It has no filters of system calls: cases that want
 * one skip, and memory that is writable and executable is found by test_audit() alone. */
bool test_emulated(void);

/* closures whose answer depends on which one was called */
struct made {
    ffi_static_closure *closure;
    void *code;
    long key;
};
/* int(int), double(double), and a general one with arguments on the stack */
/* Bytes of a closure, which is one slot: eight words. */
enum { CELL = sizeof(ffi_static_closure) };

enum { OF_INT, OF_DOUBLE, OF_MANY, KINDS };
ffi_cif *test_cif(unsigned kind);
/* Adds its user data, a number that is passed as a pointer, to what it is called with. */
ffi_static_handler test_handler(unsigned kind);

/* A closure that must be had: the case fails when the library refuses. */
ffi_static_closure *test_alloc(size_t size, void **code);

/* Allocate and prepare the closure number `key`; its kind is key % KINDS. False when the
 * library refuses to allocate, after checking that it did so properly (NULL, errno, a text,
 * *code unchanged). */
bool test_make(struct made *made, long key);
/* The same, int(int) always: nothing but the slot is needed for it. */
bool test_make_small(struct made *made, long key);
/* Call it and check the answer. */
void test_call(const struct made *made);
void test_call_small(const struct made *made);
void test_free(struct made *made);

/* Make up to n, calling each at once and all again at the end. Returns how many there are. */
size_t test_make_many(struct made *made, size_t n);
size_t test_make_many_small(struct made *made, size_t n);
void test_free_many(struct made *made, size_t n);

/* Enough closures that tables are mapped several times over, whatever their size. */
#define MANY 20000
extern struct made many[MANY];

struct ffi_static_stats test_stats(void);

/* The address ranges of this process, /proc/self/maps. */
struct test_map {
    uintptr_t start, end, offset;
    unsigned long inode;
    unsigned major, minor;
    char perms[5];
    char path[256];
};
/* Calls `each` for every mapping; also where /proc is gone and no fd is left, as the file is
 * opened at the start. After fork(), call test_maps_reopen() in the child. */
void test_maps(void (*each)(const struct test_map *map, void *data), void *data);
void test_maps_reopen(void);
size_t test_maps_count(void);
/* No page writable and executable, no shared writable mapping of a file range that is mapped
 * executable. Not under valgrind, whose own translations are W+X. */
void test_audit(void);

/* The mapping that holds `address`. */
struct test_map test_map_of(const void *address);

size_t test_open_fds(void);
/* Wait for a child and check that it exited with 0. */
void test_wait(pid_t child);
/* Point `api` at the library of that path. Returns dlopen's handle. */
void *test_load(const char *path);
/* The same in a namespace of its own, with a C library of its own: dlmopen(3). */
void *test_load_elsewhere(const char *path);

#endif /* FS_TEST_H */
