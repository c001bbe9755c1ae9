/* SPDX-License-Identifier: MIT */
/* sealed.c - sealed closures: what holds of them from their making to their end, and for ever */
#include "sealed.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

/* --- what holds of them --------------------------------------------------------------------- */

CASE(each_state_is_read_only)
{
    void *code;
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, &code);
    CHECK(c != NULL, "%s", api.error());
    check_shut(c);
    CHECK_EQ(api.prep(c, test_cif(0), test_handler(0), (void *)5, 0), 0);
    check_shut(c);
    CHECK_EQ(((int (*)(int))code)(37), 42);
    CHECK_EQ(api.prep(c, test_cif(0), test_handler(0), (void *)6, 0), 0);
    CHECK_EQ(((int (*)(int))code)(37), 43);
    CHECK(api.address(c) == code && api.from_address(code) == c);
    CHECK_EQ(test_stats().sealed, 1);
    CHECK_EQ(api.release(c), 0);
    check_shut(c);
    REFUSED(api.release(c), EALREADY);
    REFUSED(api.prep(c, test_cif(0), test_handler(0), NULL, 0), EALREADY);
    CHECK_EQ(test_stats().sealed, 0);
    CHECK(api.alloc(CELL + 8, FFI_STATIC_SEALED, &code) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK(api.alloc(CELL, 2 | FFI_STATIC_SEALED, &code) == NULL);
    CHECK_EQ(errno, EINVAL);
}

/* Plans that do not fit a slot are sealed, too. */
CASE(the_plan_of_a_long_signature_is_read_only)
{
    ffi_type *types[LONG];
    ffi_cif cif;
    ffi_static_closure *c = make_long(&cif, types);
    size_t maps = test_maps_count();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(api.prep(c, &cif, test_handler(0), NULL, 0), 0);
    CHECK(test_maps_count() <= maps + 2);
    int inside = 0;
    for (int i = 0; i < FFI_STATIC_HEAD; i++) {
        void *word = c->reserved[i];
        if ((uintptr_t)word < 0x10000 || (uintptr_t)word % sizeof(void *))
            continue;
        struct test_map map = test_map_of(word);
        inside += map.perms[0] == 'r' && map.perms[1] == '-' && map.perms[2] == '-' && !map.inode;
    }
    CHECK_EQ(inside, 1);
    CHECK_EQ(api.release(c), 0);
    CHECK(test_maps_count() <= maps + 1);
}

CASE(trampolines_can_be_sealed)
{
    struct ffi_static_trampoline t = {(const void *)(uintptr_t)make, &t, 0, 0}, seen;
    void *address;
    for (t.data_register = 1; ffi_static_trampoline_alloc(&t, FFI_STATIC_SEALED, &address) < 0;)
        CHECK(++t.data_register < 40, "%s", api.error());
    if (strcmp(api.provider_of(address), "resident")) /* else the slots are not behind the code */
        check_shut((void *)test_map_of(address).end);
    CHECK_EQ(ffi_static_trampoline_query(address, &seen), 0);
    CHECK(seen.code == t.code && seen.data == t.data && seen.data_register == t.data_register);
    CHECK_EQ(test_stats().sealed, 1);
    CHECK_EQ(ffi_static_trampoline_free(address), 0);
    REFUSED(ffi_static_trampoline_free(address), EALREADY);
    REFUSED(ffi_static_trampoline_alloc(&t, 4, &address), EINVAL);
}

/* Tables come and go, and mappings with them. */
CASE(memory_goes_back)
{
    for (int i = 0; i < MANY; i++)
        many[i] = make(i);
    size_t most = test_maps_count();
    CHECK(most < 200, "%zu mappings", most);
    for (int i = 0; i < MANY; i++)
        test_call(&many[i]);
    for (int i = 0; i < MANY; i++)
        let_go(&many[i]);
    CHECK(test_stats().tables < 5);
    CHECK_EQ(api.check(), 0);
}

/* A signal's handler may call sealed closures whatever it interrupted, but for keys: the kernel
 * starts it with all of them shut. */
static struct made in_handler;
static atomic_ulong rings;
static void on_alarm(int signal)
{
    (void)signal;
    int (*f)(int) = (int (*)(int))in_handler.code;
    rings += f(1) == (int)in_handler.key + 1;
}

CASE(a_signal_handler_calls_them)
{
    if (by_keys())
        test_skip("with keys they cannot be called there, as the header says");
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    in_handler = make(30);
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 1000000 && atomic_load(&rings) < 200; i++) {
        struct made m = make(i);
        test_call(&m);
        let_go(&m);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(atomic_load(&rings) >= 200);
}

/* What keys cannot do, as seal.h says: a signal's handler reads nothing that has one. */
CASE(with_keys_a_signal_handler_cannot_call)
{
    if (!by_keys())
        test_skip("no keys");
    in_handler = make(30);
    pid_t child = fork();
    if (child == 0) {
        test_call(&in_handler);
        signal(SIGUSR1, on_alarm);
        raise(SIGUSR1);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%x", (unsigned)status);
}

/* What nobody sees who looks at slots alone: a page that somebody has opened, and a process that
 * has lost its key, as one that is restored from a checkpoint has. */
CASE(a_check_finds_open_pages_and_a_lost_key)
{
    struct made m = make(3);
    CHECK_EQ(api.check(), 0);
    if (by_keys()) {
        int freed = 0;
        CHECK_EQ(
            syscall(SYS_pkey_mprotect, page_of(m.closure), page_size(), PROT_READ | PROT_WRITE, 0),
            0);
        for (int key = 1; key < 16; key++)
            freed += syscall(SYS_pkey_free, key) == 0;
        CHECK_EQ(freed, 1);
        REFUSED(api.check(), EUCLEAN);
        CHECK_HAS(api.error(), "protection key is gone");
        CHECK(syscall(SYS_pkey_alloc, 0, 2 /* PKEY_DISABLE_WRITE */) > 0);
        CHECK_EQ(api.check(), 0);
        check_shut(m.closure);
        let_go(&m);
        return;
    }
    CHECK_EQ(mprotect(page_of(m.closure), page_size(), PROT_READ | PROT_WRITE), 0);
    REFUSED(api.check(), EUCLEAN);
    CHECK_HAS(api.error(), "not read-only");
    CHECK_EQ(mprotect(page_of(m.closure), page_size(), PROT_READ), 0);
    CHECK_EQ(api.check(), 0);
    test_call(&m);
    let_go(&m);
}

static void *checks(void *data)
{
    *(int *)data = api.check();
    return data;
}

CASE(a_check_needs_little_stack)
{
    pthread_attr_t small;
    pthread_t thread;
    int said = 1;
    long least = sysconf(_SC_THREAD_STACK_MIN); /* 128 KiB on AArch64 */
    struct made m = make(3);
    CHECK_EQ(pthread_attr_init(&small), 0);
    CHECK_EQ(pthread_attr_setstacksize(&small, least < 16384 ? 16384 : (size_t)least), 0);
    CHECK_EQ(pthread_create(&thread, &small, checks, &said), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(said, 0);
    let_go(&m);
}

/* --- for ever ------------------------------------------------------------------------------- */

/* The plan says where the arguments lie, and how the result goes back. */
CASE(the_plan_of_a_long_signature_is_sealed_for_ever)
{
    ffi_type *types[LONG];
    ffi_cif cif;
    ffi_static_closure *c = make_long(&cif, types);
    int error = ffi_static_seal(), plans = 0;
    if (error == -ENOSYS)
        test_skip("%s", api.error());
    CHECK(error == 0, "%s", api.error());
    for (int i = 0; i < FFI_STATIC_HEAD; i++) {
        uintptr_t word = (uintptr_t)c->reserved[i];
        if (word < 0x10000 || word % sizeof(void *))
            continue;
        struct test_map map = test_map_of((void *)word);
        if (map.inode || map.perms[2] == 'x')
            continue;
        plans++;
        CHECK(mprotect(page_of((void *)word), page_size(), PROT_READ | PROT_WRITE) < 0);
        CHECK_EQ(errno, EPERM);
    }
    CHECK_EQ(plans, 1);
}

CASE(sealed_for_ever)
{
    struct made m = make(3), plain;
    CHECK(test_make(&plain, 4));
    int error = ffi_static_seal();
    if (error == -ENOSYS)
        test_skip("%s", api.error());
    CHECK(error == 0, "%s", api.error());
    CHECK(mprotect(page_of(m.closure), page_size(), PROT_READ | PROT_WRITE) < 0);
    CHECK_EQ(errno, EPERM);
    CHECK(munmap(page_of(m.closure), page_size()) < 0);
    test_call(&m);
    REFUSED(api.release(m.closure), EPERM);
    CHECK_HAS(api.error(), "for ever");
    REFUSED(api.prep(m.closure, test_cif(0), test_handler(0), NULL, 0), EPERM);
    test_call(&m);
    struct made other = make(6);
    CHECK((char *)other.closure < page_of(m.closure) ||
          (char *)other.closure >= page_of(m.closure) + page_size());
    test_call(&other);
    CHECK_EQ(ffi_static_seal(), 0);
    REFUSED(api.release(other.closure), EPERM);
    if (!getenv("FFI_STATIC_HARDEN"))
        test_free(&plain);
    CHECK_EQ(api.check(), 0);
    pid_t child = fork();
    if (child == 0) {
        struct made own = make(9);
        test_call(&m);
        test_call(&own);
        let_go(&own);
        _exit(api.release(m.closure) != -EPERM);
    }
    test_wait(child);
}

/* With FFI_STATIC_HARDEN=1. */
CASE(a_hardened_process_has_no_other)
{
    const char *method;
    void *code;
    CHECK_EQ(ffi_static_sealing(&method), 1);
    for (int i = 0; i < 1000; i++) {
        CHECK(test_make(&many[i], i));
        check_shut(many[i].closure);
    }
    CHECK_EQ(test_stats().sealed, 1000);
    CHECK(api.alloc(2 * CELL, 0, &code) == NULL);
    CHECK_EQ(errno, ENOTSUP);
    CHECK_HAS(api.error(), "FFI_STATIC_HARDEN");
    for (int i = 0; i < 1000; i++)
        test_call(&many[i]);
    for (int i = 0; i < 1000; i++)
        test_free(&many[i]);
    CHECK_EQ(api.check(), 0);
}
