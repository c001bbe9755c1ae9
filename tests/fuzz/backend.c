/* SPDX-License-Identifier: MIT */
/* backend.c - whose closures are fuzzed: ours, the system libffi's, or ours with a fault put in
 *
 * Ours and the system's must both pass, which shows that the generator is right. Every fault must
 * be found, which shows that the checks can fail.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffi_static.h"
#include "rt.h"

#define TAIL 0x5c

/* Every third closure was prepared for another signature before, of which nothing may be left. */
static int prepare_otherwise(ffi_static_closure *c, fz_handler handler)
{
    static unsigned n;
    static ffi_cif cif;
    static ffi_type *types[40];
    for (unsigned i = 0; !cif.nargs && i < 40; i++)
        types[i] = i % 2 ? &ffi_type_double : &ffi_type_sint8;
    if (n++ % 3)
        return 0;
    ffi_type *result = n % 2 ? &ffi_type_complex_longdouble : &ffi_type_sint16;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, n % 4 ? 40 : 7, result, types) != FFI_OK)
        abort();
    return ffi_static_prep(c, &cif, handler, NULL, 0);
}

static void *ours_make(ffi_cif *cif, fz_handler handler, void *user, unsigned extra, void **code)
{
    void *seen = NULL;
    ffi_static_closure *c = ffi_static_alloc(sizeof *c + extra, 0, &seen);
    if (!c) {
        printf("ffi_static_alloc: %s\n", ffi_static_error());
        return NULL;
    }
    if (extra)
        memset(c + 1, TAIL, extra);
    int rc = prepare_otherwise(c, handler);
    if (rc == 0)
        rc = ffi_static_prep(c, cif, handler, user, 0);
    if (rc < 0) {
        printf("ffi_static_prep: %s: %s\n", strerror(-rc), ffi_static_error());
        ffi_static_free(c);
        return NULL;
    }
    if (ffi_static_address(c) != seen || ffi_static_from_address(seen) != c) {
        printf("ffi_static_address and ffi_static_from_address are not inverse\n");
        return NULL;
    }
    *code = seen;
    return c;
}

static const char *ours_verify(void *closure, unsigned extra)
{
    const unsigned char *tail = (const unsigned char *)((ffi_static_closure *)closure + 1);
    for (unsigned i = 0; i < extra; i++)
        if (tail[i] != TAIL)
            return "the user's bytes behind the closure were overwritten";
    return NULL;
}

static const char *ours_drop(void *closure)
{
    return ffi_static_free(closure) < 0 ? ffi_static_error() : NULL;
}

static void *system_make(ffi_cif *cif, fz_handler handler, void *user, unsigned extra, void **code)
{
    void *seen = NULL;
    ffi_closure *c = ffi_closure_alloc(sizeof *c + extra, &seen);
    if (!c || ffi_prep_closure_loc(c, cif, handler, user, seen) != FFI_OK) {
        printf("the system libffi refused a closure\n");
        return NULL;
    }
    *code = seen;
    return c;
}

static const char *system_verify(void *closure, unsigned extra)
{
    (void)closure, (void)extra;
    return NULL;
}

static const char *system_drop(void *closure)
{
    ffi_closure_free(closure);
    return NULL;
}

/* Faults in the handler's data, as a plan with one error would give them. */
static fz_handler inner;
static int fault_kind;
static const char *const handler_faults[] = {"swap",  "flip", "shift", "user",
                                             "twice", "tail", "crash"};
enum { SWAP, FLIP, SHIFT, USER, TWICE, TAIL_HIT, CRASH, N_HANDLER_FAULTS };

static void faulty(ffi_cif *cif, void *ret, void **args, void *user)
{
    static unsigned char copy[4096];
    unsigned n = cif->nargs;
    void *mine[1024], *wrong = user;
    if (n)
        memcpy(mine, args, n * sizeof *mine);
    if (fault_kind == SWAP && n > 1) {
        void *other = mine[0];
        mine[0] = mine[n - 1];
        mine[n - 1] = other;
    } else if (fault_kind == FLIP && n) {
        size_t size = cif->arg_types[n - 1]->size;
        memcpy(copy, mine[n - 1], size);
        copy[0] ^= 1;
        mine[n - 1] = copy;
    } else if (fault_kind == SHIFT && n) {
        mine[n - 1] = (char *)mine[n - 1] + 1;
    } else if (fault_kind == USER) {
        inner(cif, ret, mine, (char *)wrong + 1);
        return;
    } else if (fault_kind == TWICE) {
        inner(cif, ret, mine, user);
    } else if (fault_kind == CRASH) {
        raise(SIGSEGV);
    }
    inner(cif, ret, mine, user);
}

static void *fault_make(ffi_cif *cif, fz_handler handler, void *user, unsigned extra, void **code)
{
    inner = handler;
    void *made = ours_make(cif, fault_kind >= 0 ? faulty : handler, user, extra, code);
    if (made && fault_kind == TAIL_HIT && extra)
        ((unsigned char *)((ffi_static_closure *)made + 1))[extra - 1] ^= 1;
    return made;
}

static void (*thunk)(void);

void *fz_through(void *code)
{
    fz_real = code;
    return thunk ? (void *)thunk : code;
}

const fz_backend *fz_backend_by_name(const char *name)
{
    static const fz_backend ours = {"ours", ours_make, ours_verify, ours_drop, 0};
    static const fz_backend system = {"system", system_make, system_verify, system_drop, 0};
    static const fz_backend fault = {"fault", fault_make, ours_verify, ours_drop, 1};
    if (!strcmp(name, "ours"))
        return &ours;
    if (!strcmp(name, "system"))
        return &system;
    if (strncmp(name, "fault:", 6))
        return NULL;
    for (fault_kind = 0; fault_kind < N_HANDLER_FAULTS; fault_kind++)
        if (!strcmp(name + 6, handler_faults[fault_kind]))
            return &fault;
    fault_kind = -1;
    for (const struct fz_fault *f = fz_faults; f->name; f++)
        if (!strcmp(name + 6, f->name)) {
            thunk = f->thunk;
            return &fault;
        }
    return NULL;
}
