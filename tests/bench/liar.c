/* SPDX-License-Identifier: MIT */
/* liar.c - a libffi whose closures answer wrongly, for tests/bench/test_bench.py
 *
 * Everything but ffi_prep_closure_loc() comes from the libffi that this links. A closure runs its
 * handler and then flips one bit of the result; one without a result does not run it at all. A
 * benchmark that accepts this library measures rubbish.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ffi.h>
#include <stdlib.h>

typedef void handler_fn(ffi_cif *, void *, void **, void *);
typedef ffi_status prep_fn(ffi_closure *, ffi_cif *, handler_fn *, void *, void *);

struct truth {
    handler_fn *handler;
    void *user;
};

static void lie(ffi_cif *cif, void *ret, void **args, void *user)
{
    struct truth *truth = user;
    if (cif->rtype->type == FFI_TYPE_VOID)
        return;
    truth->handler(cif, ret, args, truth->user);
    *(unsigned char *)ret ^= 1;
}

ffi_status ffi_prep_closure_loc(ffi_closure *closure, ffi_cif *cif, handler_fn *handler, void *user,
                                void *code)
{
    void *libffi = dlopen("libffi.so.8", RTLD_NOW | RTLD_LOCAL);
    prep_fn *prep = libffi ? (prep_fn *)dlsym(libffi, "ffi_prep_closure_loc") : NULL;
    struct truth *truth = malloc(sizeof *truth);
    if (!prep || !truth)
        return FFI_BAD_ABI;
    *truth = (struct truth){handler, user};
    return prep(closure, cif, lie, truth, code);
}
