/* SPDX-License-Identifier: MIT */
/* sealed_attacked.c - sealed closures while somebody tries to write to them
 *
 * An attacker is a thread that tries to store to every word of a page; a handler of SIGSEGV counts
 * what was refused. With $FS_TEST_HOLE one page is left writable, which has to fail the case.
 */
#include "sealed.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

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
