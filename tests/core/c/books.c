/* SPDX-License-Identifier: MIT */
/* books.c - somebody writes to the tables' book-keeping: no sealed closure is handed out twice
 *
 * Linked with the static library, whose inside it includes: it is the attacker who found a table's
 * struct (csrc/tramp/table.h). Cases whose name begins with `dies_` end by abort(), with a line.
 */
#include "fs_test.h"
#include "seccomp.h"
#include "base/lock.h"
#include "tramp/find.h"
#include "tramp/seal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static ffi_static_closure *sealed(void **code, long key)
{
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, code);
    CHECK(c != NULL, "%s", api.error());
    CHECK_EQ(api.prep(c, test_cif(0), test_handler(0), (void *)key, 0), 0);
    return c;
}

CASE_WITHOUT_AUDIT(dies_when_the_bits_say_that_a_live_one_is_free)
{
    void *code;
    struct fs_ref ref = fs_slot_ref(sealed(&code, 1));
    ref.table->free[ref.index / 64] |= UINT64_C(1) << ref.index % 64;
    sealed(&code, 2);
}

CASE_WITHOUT_AUDIT(dies_when_a_plain_table_is_called_a_sealed_one)
{
    struct made m;
    CHECK(test_make(&m, 1));
    fs_slot_ref(m.closure).table->sealed = true;
    api.prep(m.closure, test_cif(0), test_handler(0), NULL, 0);
}

/* Then it would be unmapped. */
CASE_WITHOUT_AUDIT(dies_when_a_table_in_use_is_called_empty)
{
    void *code;
    ffi_static_closure *c = sealed(&code, 1);
    struct fs_table *t = fs_slot_ref(c).table;
    fs_lock();
    (void)fs_seal_remove(t->slots);
    fs_unlock();
}

/* A table whose slots are said to lie elsewhere: what is freed is what the caller named. */
CASE(a_table_that_was_moved_frees_no_other)
{
    void *code, *other;
    ffi_static_closure *a = sealed(&code, 1), *b = sealed(&other, 2);
    struct fs_table *t = fs_slot_ref(a).table;
    t->slots += b - a;
    CHECK_EQ(api.prep(a, test_cif(0), test_handler(0), (void *)5, 0), 0);
    CHECK_EQ(api.release(a), 0);
    t->slots -= b - a;
    CHECK_EQ(((int (*)(int))other)(40), 42);
    CHECK_EQ(b->user_data == (void *)2, 1);
    CHECK(a->reserved[0] == (void *)fs_freed);
}

/* Bits that say that no page was ever filled: what is live stays as it is. */
CASE(a_page_that_is_called_blank_keeps_its_closures)
{
    void *code, *next;
    ffi_static_closure *a = sealed(&code, 1);
    memset(fs_slot_ref(a).table->filled, 0, sizeof fs_slot_ref(a).table->filled);
    sealed(&next, 2);
    CHECK_EQ(((int (*)(int))code)(40), 41);
    CHECK_EQ(((int (*)(int))next)(40), 42);
}

/* --- what is read-only since the first sealed closure: its table, the list, the root ---------- */

static struct areas {
    uintptr_t start[4096], end[4096];
    size_t n;
} before, shut;

static void note(const struct test_map *map, void *data)
{
    struct areas *a = data;
    for (size_t i = 0; a == &shut && i < before.n; i++)
        if (before.start[i] == map->start)
            return;
    if (strcmp(map->perms, "r--p") || map->inode || map->path[0])
        return;
    CHECK(a->n < sizeof a->start / sizeof *a->start);
    a->start[a->n] = map->start;
    a->end[a->n++] = map->end;
}

static struct fs_table *first_sealed(ffi_static_closure **c)
{
    void *code;
    test_maps(note, &before);
    *c = sealed(&code, 1);
    test_maps(note, &shut);
    CHECK(shut.n >= 3, "%zu areas", shut.n);
    return fs_slot_ref(*c).table;
}

/* An area that would become one with its neighbours when it is opened could not be shut again at
 * vm.max_map_count, when other threads have taken what that set free. */
CASE_WITHOUT_AUDIT(what_is_opened_stays_a_mapping_of_its_own)
{
    ffi_static_closure *c;
    first_sealed(&c);
    for (size_t i = 0; i < shut.n; i++) {
        size_t size = shut.end[i] - shut.start[i], count = test_maps_count();
        CHECK_EQ(mprotect((void *)shut.start[i], size, PROT_READ | PROT_WRITE), 0);
        CHECK_EQ(test_maps_count(), count);
        CHECK_EQ(mprotect((void *)shut.start[i], size, PROT_READ), 0);
    }
}

/* The list of sealed tables cannot be opened: empty tables stay, and go later. */
CASE_WITHOUT_AUDIT(a_table_that_cannot_leave_the_list_stays)
{
    enum { N = 4 * 4096 };
    static ffi_static_closure *all[N];
    void *code;
    struct fs_table *t = first_sealed(&all[0]);
    for (int i = 1; i < N; i++)
        CHECK((all[i] = api.alloc(CELL, FFI_STATIC_SEALED, &code)) != NULL, "%s", api.error());
    for (size_t i = 0; i < shut.n; i++)
        if (shut.start[i] != (uintptr_t)t->slots)
            seccomp_refuse_at(SYS_mprotect, (void *)shut.start[i], ENOMEM);
    uint64_t tables = test_stats().tables;
    for (int i = 0; i < N; i++)
        CHECK_EQ(api.release(all[i]), 0);
    CHECK_EQ(test_stats().tables, tables);
    CHECK_EQ(api.check(), 0);
    CHECK(api.alloc(CELL, FFI_STATIC_SEALED, &code) != NULL, "%s", api.error());
    _exit(0); /* a sanitizer's end needs mprotect() */
}

static atomic_int step;

static void *closes(void *data)
{
    struct fs_table *t = data;
    fs_lock();
    CHECK_EQ(fs_seal_remove(t->slots), 0);
    step = 1;
    while (step == 1)
        usleep(1000);
    CHECK_EQ(fs_seal_add(t->slots), 0);
    fs_unlock();
    return NULL;
}

/* A thread is kept from closing the table whole, until the fork does not wait any more: the child
 * has lost that table, and has all else. */
CASE_WITHOUT_AUDIT(a_child_forked_while_a_table_is_closed_goes_on)
{
    enum { N = 300 }; /* the last one is in a mapped table */
    pthread_t thread;
    void *code;
    ffi_static_closure *c[N];
    for (int i = 0; i < N; i++)
        c[i] = sealed(&code, i);
    struct fs_table *t = fs_slot_ref(c[N - 1]).table;
    for (int i = 0; i < N; i++)
        if (fs_slot_ref(c[i]).table == t)
            CHECK_EQ(api.release(c[i]), 0);
    CHECK_EQ(pthread_create(&thread, NULL, closes, t), 0);
    while (!step)
        usleep(1000);
    pid_t child = fork();
    if (child == 0) {
        c[0] = sealed(&code, 2);
        CHECK_EQ(((int (*)(int))code)(40), 42);
        CHECK_EQ(api.release(c[0]), 0);
        CHECK_EQ(api.check(), 0);
        _exit(0);
    }
    step = 2;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    test_wait(child);
    sealed(&code, 3);
    CHECK_EQ(((int (*)(int))code)(40), 43);
}
