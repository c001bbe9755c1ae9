/* SPDX-License-Identifier: MIT */
/* harness.h - what every C test stands on: cases, checks, and closures of the library under test
 *
 * A program holds several cases; `program` lists them, `program case [args]` runs one in a
 * process of its own, so that a case may wreck the process. Exit status: 0 passed, 77 skipped
 * (the reason is on stdout), 3 right answers, but memory that no program may have, anything else
 * failed (what did not hold is on stderr).
 *
 * After each case /proc/self/maps is read: no page may be writable and executable, and none may
 * have a writable alias. Programs that link the library itself (fs_test.h) also start under a
 * seccomp filter that KILLS the process when anything asks for such a page.
 */
#ifndef HARNESS_H
#define HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <ffi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

typedef void (*test_function)(ffi_cif *, void *, void **, void *);

/* The library under test, in the words that all cases share. fs_test.c defines it for this
 * project's library, tests/libffi/bad_days/libffi.c for a libffi that is given by its path. A
 * function that a library has not got is NULL. */
struct test_library {
    void *(*alloc)(void **code); /* NULL: refused; sets *code */
    void (*prep)(void *closure, void *code, ffi_cif *cif, test_function handler, void *data);
    void (*release)(void *closure);
    ffi_status (*prep_cif)(ffi_cif *, ffi_abi, unsigned, ffi_type *, ffi_type **);
    ffi_type *sint, *slong, *dbl;
    void (*begin)(void);        /* before the case */
    void (*whole)(void);        /* fails the case when the library is not as it should be */
    const char *(*error)(void); /* of its last failure */
    size_t (*live)(void);       /* how many closures there are */
    unsigned patience;          /* seconds after which a forked child hangs */
    bool tells;                 /* a case must say what happened: outcome() */
};
extern struct test_library tested;

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

/* What happened, in words that are the same in each run; the last call counts. */
void outcome(const char *format, ...) __attribute__((format(printf, 1, 2)));

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
    void *closure, *code;
    long key;
};
/* int(int), double(double), and a general one with arguments on the stack */
enum { OF_INT, OF_DOUBLE, OF_MANY, KINDS };
ffi_cif *test_cif(unsigned kind);
/* Adds its user data, a number that is passed as a pointer, to what it is called with. */
test_function test_handler(unsigned kind);

/* Allocate and prepare the closure number `key`; its kind is key % KINDS. False when the
 * library refuses to allocate. */
bool test_make(struct made *made, long key);
/* The same, int(int) always: nothing but the slot is needed for it. */
bool test_make_small(struct made *made, long key);
/* Call it: is the answer right? */
bool test_right(const struct made *made);
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
/* Wait for a child, which must exit with 0; `who` names it where it does not. */
void test_wait_for(pid_t child, const char *who);
void test_wait(pid_t child);

#endif /* HARNESS_H */
