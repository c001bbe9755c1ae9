/* SPDX-License-Identifier: MIT */
/* sealed.h - what the tests of sealed closures share: making one, and looking at its pages */
#ifndef SEALED_H
#define SEALED_H

#include "fs_test.h"

static inline struct made make(long key)
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

static inline void let_go(const struct made *m)
{
    int error = api.release(m->closure);
    CHECK(error == 0, "%d: %s", error, api.error());
}

/* A signature whose plan does not fit a slot. */
enum { LONG = 64 };
static inline ffi_cif long_signature(ffi_type **types)
{
    ffi_cif cif;
    for (int i = 0; i < LONG; i++)
        types[i] = &ffi_type_slong;
    CHECK_EQ(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, LONG, &ffi_type_slong, types), FFI_OK);
    return cif;
}

/* A sealed closure of such a signature, for which `types` needs room. */
static inline ffi_static_closure *make_long(ffi_cif *cif, ffi_type **types)
{
    void *code;
    *cif = long_signature(types);
    ffi_static_closure *c = api.alloc(CELL, FFI_STATIC_SEALED, &code);
    CHECK(c != NULL, "%s", api.error());
    CHECK_EQ(api.prep(c, cif, test_handler(0), NULL, 0), 0);
    return c;
}

static inline bool by_keys(void)
{
    const char *method;
    int all = ffi_static_sealing(&method);
    CHECK(all >= 0, "%s", api.error());
    return strcmp(method, "keys") == 0;
}

static inline uintptr_t page_size(void)
{
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static inline char *page_of(const void *closure)
{
    return (char *)((uintptr_t)closure & ~(page_size() - 1));
}

static inline void check_shut(const void *closure)
{
    struct test_map map = test_map_of(closure);
    if (!by_keys())
        CHECK(map.perms[1] == '-', "%s", map.perms);
    CHECK_EQ(map.perms[2], '-');
}

#endif /* SEALED_H */
