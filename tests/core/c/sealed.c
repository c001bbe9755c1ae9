/* SPDX-License-Identifier: MIT */
/* sealed.c - sealed closures: who can write to them, when, and what happens when the system refuses
 *
 * An attacker is a thread that tries to store to every word of a page; a handler of SIGSEGV counts
 * what was refused. With $FS_TEST_HOLE one page is left writable, which has to fail the case.
 */
#include "fs_test.h"
#include "seccomp.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

/* --- sealed closures ------------------------------------------------------------------------ */

static struct made make(long key)
{
    struct made m = {.key = key};
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, &m.code);
    CHECK(c != NULL, "%s", api.error());
    CHECK(api.prep(c, test_cif((unsigned)(key % KINDS)), test_handler((unsigned)(key % KINDS)),
                   (void *)key, 0) == 0,
          "%s", api.error());
    m.closure = c;
    return m;
}

static void let_go(const struct made *m)
{
    int error = api.release(m->closure);
    CHECK(error == 0, "%d: %s", error, api.error());
}

/* A signature whose plan does not fit a slot. */
enum { LONG = 64 };
static ffi_cif long_signature(ffi_type **types)
{
    ffi_cif cif;
    for (int i = 0; i < LONG; i++)
        types[i] = &ffi_type_slong;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, LONG, &ffi_type_slong, types), FFI_OK);
    return cif;
}

static bool by_keys(void)
{
    const char *method;
    int all = ffi_static_sealing(&method);
    CHECK(all >= 0, "%s", api.error());
    return strcmp(method, "keys") == 0;
}

static uintptr_t page_size(void)
{
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static char *page_of(const void *closure)
{
    return (char *)((uintptr_t)closure & ~(page_size() - 1));
}

/* --- the attacker --------------------------------------------------------------------------- */

static _Thread_local sigjmp_buf *out;
static atomic_ulong refused, written;
static atomic_bool stop;

static void on_fault(int signal)
{
    (void)signal;
    if (!out)
        _exit(99); /* a call went elsewhere */
    siglongjmp(*out, 1);
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
}

/* One store, of what is there already if it must do no harm. */
static void try_word(uintptr_t *word, bool harmless)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 0) == 0) {
        out = &here;
        uintptr_t is = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (harmless)
            __atomic_compare_exchange_n(word, &is, is, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        else
            __atomic_store_n(word, (uintptr_t)0x4141414141414141u, __ATOMIC_RELAXED);
        atomic_fetch_add(&written, 1);
    } else {
        atomic_fetch_add(&refused, 1);
    }
    out = NULL;
}

struct range {
    char *from, *to;
    bool harmless;
};

static void *attack(void *data)
{
    const struct range *r = data;
    while (!atomic_load(&stop))
        for (char *at = r->from; at < r->to && !atomic_load(&stop); at += sizeof(uintptr_t))
            try_word((uintptr_t *)(void *)at, r->harmless);
    return NULL;
}

/* Make, call and free, a few at a time. */
static void *maker(void *number)
{
    enum { FEW = 40 };
    struct made few[FEW];
    for (long key = (long)number * 1000; !atomic_load(&stop); key++) {
        for (int i = 0; i < FEW; i++)
            few[i] = make(key + i);
        for (int i = 0; i < FEW; i++)
            CHECK(test_right(&few[i]));
        for (int i = 0; i < FEW; i++)
            let_go(&few[i]);
    }
    return NULL;
}

/* A whole table of closures that stay: nobody opens their pages. Their first page is the table's
 * first. */
enum { STAY = 4096 + 300 };
static struct made stay[STAY];

static struct range fill(void)
{
    for (long i = 0; i < STAY; i++)
        stay[i] = make(i);
    struct range r = {page_of(stay[0].closure), page_of(stay[0].closure), false};
    uintptr_t span = (uintptr_t)stay[0].closure / 0x80000;
    for (int i = 0; i < STAY; i++) {
        char *page = page_of(stay[i].closure);
        if ((uintptr_t)page / 0x80000 != span)
            break;
        r.from = page < r.from ? page : r.from;
        r.to = page + page_size() > r.to ? page + page_size() : r.to;
    }
    return r;
}

static void call_all(void)
{
    for (int i = 0; i < STAY; i++)
        test_call(&stay[i]);
}

static void run_attack(struct range *target, bool fork_too)
{
    pthread_t threads[4];
    catch_faults();
    CHECK_EQ(pthread_create(&threads[0], NULL, attack, target), 0);
    for (long i = 1; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, maker, (void *)i), 0);
    unsigned long enough = test_scaled(40000);
    for (int round = 0; atomic_load(&refused) < enough && !atomic_load(&written); round++) {
        call_all();
        if (!fork_too)
            continue;
        pid_t child = fork();
        if (child == 0) {
            call_all();
            for (char *at = target->from; at < target->to; at += page_size())
                try_word((uintptr_t *)(void *)at, false);
            if (atomic_load(&written))
                dprintf(2, "%lu stores done in the child\n", atomic_load(&written));
            _exit(atomic_load(&written) != 0);
        }
        test_wait(child);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    signal(SIGSEGV, SIG_DFL);
}

/* Garbage for every word of a table, its header among them, all the time, while three threads make,
 * call and free sealed closures of other pages. */
CASE(no_store_reaches_a_sealed_table)
{
    struct range r = fill();
    CHECK(r.to - r.from >= (ptrdiff_t)(2 * page_size()));
    if (getenv("FS_TEST_HOLE"))
        CHECK_EQ(mprotect(r.from + (r.to - r.from) / 2 / (long)page_size() * (long)page_size(),
                          page_size(), PROT_READ | PROT_WRITE),
                 0);
    run_attack(&r, true);
    printf("%lu stores refused, %lu done\n", atomic_load(&refused), atomic_load(&written));
    CHECK_EQ(atomic_load(&written), 0);
    call_all();
    CHECK_EQ(api.check(), 0);
}

/* The pages in which others make and free. Without keys there is the moment in which a page is
 * open: the attacker tells how often it met one, and does no harm. With keys there is none. */
CASE(stores_to_pages_that_others_write)
{
    for (long i = 0; i < STAY; i++)
        stay[i] = make(i);
    struct made next = make(1);
    struct range r = {page_of(next.closure), page_of(next.closure) + page_size(), !by_keys()};
    let_go(&next); /* where the next one goes */
    pthread_t threads[4];
    catch_faults();
    CHECK_EQ(pthread_create(&threads[0], NULL, attack, &r), 0);
    for (long i = 1; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, maker, (void *)i), 0);
    while (atomic_load(&refused) < test_scaled(40000))
        call_all();
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    unsigned long done = atomic_load(&written), all = done + atomic_load(&refused);
    printf("%lu of %lu stores met an open page\n", done, all);
    if (by_keys())
        CHECK_EQ(done, 0);
    CHECK_EQ(api.check(), 0);
}

/* --- what holds of them --------------------------------------------------------------------- */

static void check_shut(const void *closure)
{
    struct test_map map = test_map_of(closure);
    if (!by_keys())
        CHECK(map.perms[1] == '-', "%s", map.perms);
    CHECK_EQ(map.perms[2], '-');
}

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
    ffi_cif cif = long_signature(types);
    void *code;
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, &code);
    CHECK(c != NULL, "%s", api.error());
    CHECK_EQ(api.prep(c, &cif, test_handler(0), NULL, 0), 0);
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

/* --- fork ----------------------------------------------------------------------------------- */

/* While others make and free: in no child is a page of theirs open. */
static void check_map(const struct test_map *map, void *data)
{
    const char *const *page = data;
    if (map->start <= (uintptr_t)*page && (uintptr_t)*page < map->end)
        CHECK(map->perms[1] == '-', "%s in the child", map->perms);
}

CASE(no_child_inherits_an_open_page)
{
    pthread_t threads[3];
    struct made mine = make(0);
    if (by_keys())
        test_skip("with keys all pages are writable, for whom has the key");
    enum { PAGES = 2 }; /* those that the makers' closures are in */
    char *pages[PAGES];
    for (int i = 0; i < PAGES; i++)
        pages[i] = page_of(mine.closure) + i * (long)page_size();
    for (long i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, maker, (void *)(i + 1)), 0);
    for (size_t i = 0; i < test_scaled(200) + 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            test_maps_reopen();
            for (int k = 0; k < PAGES; k++)
                test_maps(check_map, &pages[k]);
            test_call(&mine);
            let_go(&mine);
            mine = make(7);
            test_call(&mine);
            CHECK_EQ(api.check(), 0);
            _exit(0);
        }
        test_wait(child);
        test_call(&mine);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* --- for ever ------------------------------------------------------------------------------- */

/* The plan says where the arguments lie, and how the result goes back. */
CASE(the_plan_of_a_long_signature_is_sealed_for_ever)
{
    ffi_type *types[LONG];
    ffi_cif cif = long_signature(types);
    void *code;
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, &code);
    CHECK(c != NULL, "%s", api.error());
    CHECK_EQ(api.prep(c, &cif, test_handler(0), NULL, 0), 0);
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

/* --- bad days ------------------------------------------------------------------------------- */

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
#ifdef SYS_pkey_free
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
#endif
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
#ifdef SYS_pkey_alloc
    if (what && !strcmp(what, "keys"))
        while (syscall(SYS_pkey_alloc, 0, 0) >= 0)
            ;
#endif
    if (what && !strcmp(what, "thread"))
        pthread_create(&thread, NULL, sleeps, NULL);
}
__attribute__((section(".preinit_array"), used)) static void (*const at_the_start)(void) = first;

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
