/* SPDX-License-Identifier: MIT */
/* rival.h - what is compared: libraries that make closures, and two callbacks without a library
 *
 * A rival is loaded with dlopen(RTLD_LOCAL), so that several libraries with the same symbols and
 * the same soname live side by side. Nothing here links libffi. A library that exports
 * ffi_static_alloc is ours; one that exports ffi_closure_alloc is libffi-compatible. Ours
 * brings no ffi_prep_cif, so it borrows the type table of the first libffi (the baseline).
 */
#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

#include <ffi.h>
#include <stdbool.h>
#include <stddef.h>
#include "ffi_static.h"

/* RIVAL_RECORDS: no closures at all, but plain 64-byte records; see live.c. */
enum rival_kind { RIVAL_LIBFFI, RIVAL_STATIC, RIVAL_HAND, RIVAL_DIRECT, RIVAL_RECORDS };

typedef void handler_fn(ffi_cif *cif, void *ret, void **args, void *user);
typedef ffi_status prep_cif_fn(ffi_cif *, ffi_abi, unsigned, ffi_type *, ffi_type **);

struct rival {
    char *name;
    char *path; /* the file that dlopen found; NULL for the two without a library */
    char *version;
    enum rival_kind kind;
    bool calls_only; /* has no part in the sections about making closures */
    void *so;
    const struct rival *types; /* where ffi_type_* and ffi_prep_cif come from */
    prep_cif_fn *prep_cif;
    struct {
        void *(*alloc)(size_t, void **);
        ffi_status (*prep)(ffi_closure *, ffi_cif *, handler_fn *, void *, void *);
        void (*free)(void *);
    } libffi;
    struct {
        ffi_static_closure *(*alloc)(size_t, unsigned, void **);
        int (*prep)(ffi_static_closure *, ffi_cif *, ffi_static_handler, void *, unsigned);
        int (*free)(ffi_static_closure *);
        const char *(*error)(void);
        const char *(*provider_of)(const void *);
    } ours;
};

#define MAX_RIVALS 16
struct rivals {
    struct rival list[MAX_RIVALS];
    int count;
    int baseline; /* index of the system libffi */
};

/* Load one library; `path` NULL means the system's libffi, found the way the dynamic linker
 * finds it (ld.so.cache). 0, or -1 after a message on stderr. */
int rival_load(struct rivals *all, const char *name, const char *path);

/* Load a copy of ours whose closures all come from mapped tables (provider `text`), as every
 * closure does when the resident table is full. The copy is named RIVAL_TEXT and measured in calls
 * only. It must be another file than ours, or the dynamic linker gives the same instance. Where the
 * system refuses that provider there is no such rival, and *note says why. 0, or -1 after a message
 * on stderr. */
#define RIVAL_TEXT "ours (text)"
int rival_load_text(struct rivals *all, const char *path, char **note);

/* Add the hand-written callback and the direct call. */
void rival_add_plain(struct rivals *all);

const struct rival *rival_find(const struct rivals *all, const char *name);

/* Is this a library, whose making of closures is measured, too? */
static inline bool rival_is_library(const struct rival *r)
{
    if (r->calls_only)
        return false;
    return r->kind == RIVAL_LIBFFI || r->kind == RIVAL_STATIC;
}

/* Allocate and prepare one closure. NULL on failure (rival_why() tells the reason). Inline,
 * because a benchmark of 30 ns should not measure its own calls. */
static inline void *rival_make(const struct rival *r, ffi_cif *cif, handler_fn *handler, void *user,
                               void **code)
{
    if (r->kind == RIVAL_STATIC) {
        ffi_static_closure *c = r->ours.alloc(sizeof(ffi_static_closure), 0, code);
        if (c && r->ours.prep(c, cif, handler, user, 0) == 0)
            return c;
        return NULL;
    }
    ffi_closure *c = r->libffi.alloc(sizeof(ffi_closure), code);
    if (c && r->libffi.prep(c, cif, handler, user, *code) == FFI_OK)
        return c;
    return NULL;
}

static inline void rival_drop(const struct rival *r, void *closure)
{
    if (r->kind == RIVAL_STATIC)
        r->ours.free(closure);
    else
        r->libffi.free(closure);
}

const char *rival_why(const struct rival *r);

/* A prepared cif, from a text such as "i(idpfl)" or "{dd}({dd})":
 * v void, b int8, H uint16, i int, l long, p pointer, f float, d double, D long double,
 * C _Complex double, {...} struct. */
struct signature {
    ffi_cif cif;
    ffi_type *args[32];
};

/* 0, or -1 after a message. The types live as long as the process. */
int signature_prepare(const struct rival *r, const char *text, struct signature *out);

#endif
