/* SPDX-License-Identifier: MIT */
/* sealed_refused.c - sealed closures where the system, or $FFI_STATIC_HARDEN, refuses
 *
 * Nothing is made that could be written to, and what is sealed stays sealed and can be called.
 */
#include "sealed.h"
#include "seccomp.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

/* A sandbox forbids mprotect(): what is sealed stays sealed, and can be called. */
CASE_WITHOUT_AUDIT(mprotect_refused_later)
{
    struct made m = make(3);
    if (by_keys())
        test_skip("a key needs no mprotect() then");
    int calls[] = {SYS_mprotect};
    void *code;
    ffi_type *types[LONG];
    ffi_cif long_cif = long_signature(types);
    seccomp_refuse(calls, 1, EPERM);
    REFUSED(api.prep(m.closure, test_cif(0), test_handler(0), NULL, 0), EPERM);
    CHECK_HAS(api.error(), "mprotect");
    CHECK_HAS(api.error(), "Operation not permitted");
    REFUSED(api.prep(m.closure, &long_cif, test_handler(0), NULL, 0), EPERM);
    CHECK_HAS(api.error(), "long signature: Operation not permitted");
    REFUSED(api.release(m.closure), EPERM);
    test_call(&m);
    CHECK(api.alloc(CELL, FFI_STATIC_SEALED, &code) == NULL);
    CHECK_EQ(errno, EPERM);
    CHECK_HAS(api.error(), "no sealed closure: mprotect");
    CHECK_EQ(test_stats().sealed, 1);
    const char *method;
    REFUSED(ffi_static_sealing(&method), EPERM);
    CHECK_EQ(api.check(), 0);
    _exit(0); /* a sanitizer's end needs mprotect() */
}

CASE_WITHOUT_AUDIT(mprotect_refused_before_the_first)
{
    int calls[] = {SYS_mprotect};
    void *code;
    if (by_keys())
        test_skip("a key needs no mprotect() then");
    seccomp_refuse(calls, 1, EPERM);
    CHECK(api.alloc(CELL, FFI_STATIC_SEALED, &code) == NULL);
    CHECK(errno == EPERM || errno == ENOSYS);
    CHECK_HAS(api.error(), "Operation not permitted");
    CHECK_EQ(test_stats().live, 0);
    _exit(0); /* a sanitizer's end needs mprotect() */
}

/* At vm.max_map_count a page cannot become a mapping of its own. */
CASE(no_more_mappings)
{
    enum { MOST = 200000 };
    static void *held[MOST];
    struct made m = {0};
    if (by_keys())
        test_skip("a key splits no mapping");
    if (test_emulated())
        test_skip("the emulator's own mappings are among those that the kernel counts");
    if (test_under_valgrind())
        test_skip("valgrind knows fewer mappings than the kernel allows");
    /* In the middle of a mapped table; writable pages lie beside the resident one's. */
    for (uintptr_t i = 0; i < 256 + 3 * page_size() / 2 / CELL; i++)
        m = make(3);
    size_t n = 0;
    while (n < MOST) {
        void *p = mmap(NULL, page_size(), n % 2 ? PROT_READ : PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            break;
        held[n++] = p;
    }
    if (n == MOST)
        test_skip("vm.max_map_count is more than %d", MOST);
    REFUSED(api.prep(m.closure, test_cif(0), test_handler(0), NULL, 0), ENOMEM);
    REFUSED(api.release(m.closure), ENOMEM);
    CHECK_HAS(api.error(), "vm.max_map_count");
    for (size_t i = 0; i < n; i++)
        munmap(held[i], page_size());
    test_call(&m);
    let_go(&m);
    CHECK_EQ(api.check(), 0);
}

/* What seals for ever is refused in the middle: all is as before, and later it works. */
CASE(sealing_for_ever_at_a_limit_changes_nothing)
{
    struct made m = make(3);
    struct rlimit was, none;
    if (by_keys())
        test_skip("a key needs no mprotect() then");
    if (test_emulated() || test_under_valgrind())
        test_skip("the limit is the emulator's own");
    CHECK_EQ(getrlimit(RLIMIT_DATA, &was), 0);
    none = (struct rlimit){page_size(), was.rlim_max}; /* 0 means something else to the kernel */
    CHECK_EQ(setrlimit(RLIMIT_DATA, &none), 0);
    int error = ffi_static_seal();
    CHECK_EQ(setrlimit(RLIMIT_DATA, &was), 0);
    if (error == -ENOSYS)
        test_skip("%s", api.error());
    CHECK_EQ(error, -ENOMEM);
    CHECK_HAS(api.error(), "RLIMIT_DATA");
    CHECK_EQ(api.prep(m.closure, test_cif(0), test_handler(0), (void *)4, 0), 0);
    struct made other = make(5);
    test_call(&other);
    let_go(&other);
    let_go(&m);
    CHECK_EQ(api.check(), 0);
}

/* $FFI_STATIC_HARDEN is wrong, or asks for what there is not: nothing is made, sealed or not. */
CASE(nothing_is_made_unsealed)
{
    void *code;
    const char *method = NULL;
    CHECK(ffi_static_sealing(&method) < 0 && !method);
    CHECK_HAS(api.error(), "FFI_STATIC_HARDEN");
    CHECK(api.alloc(CELL, 0, &code) == NULL);
    CHECK_HAS(api.error(), "FFI_STATIC_HARDEN");
    CHECK(api.alloc(CELL, FFI_STATIC_SEALED, &code) == NULL);
    CHECK_EQ(test_stats().live, 0);
    printf("%s\n", api.error());
}

CASE(without_mseal_nothing_is_changed)
{
    struct made m = make(3);
    int calls[] = {SYS_mseal};
    seccomp_refuse(calls, 1, ENOSYS);
    REFUSED(ffi_static_seal(), ENOSYS);
    CHECK_HAS(api.error(), "mseal");
    test_call(&m);
    let_go(&m);
}

/* Before the library is loaded: $FS_TEST_FIRST takes every key, or starts a thread. */
static void *sleeps(void *data)
{
    pause();
    return data;
}

static void first(void)
{
    pthread_t thread;
    const char *what = getenv("FS_TEST_FIRST");
    if (what && !strcmp(what, "keys"))
        while (syscall(SYS_pkey_alloc, 0, 0) >= 0)
            ;
    if (what && !strcmp(what, "thread"))
        pthread_create(&thread, NULL, sleeps, NULL);
}
__attribute__((section(".preinit_array"), used)) static void (*const at_the_start)(void) = first;
