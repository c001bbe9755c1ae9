/* SPDX-License-Identifier: MIT */
/* books.c - somebody writes to the tables' book-keeping: no sealed closure is handed out twice
 *
 * Linked with the static library, whose inside it includes: it is the attacker who found a table's
 * struct (csrc/tramp/table.h). Cases whose name begins with `dies_` end by abort(), with a line.
 */
#include "fs_test.h"
#include "base/lock.h"
#include "tramp/find.h"
#include "tramp/seal.h"

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
    fs_seal_remove(t->slots);
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
