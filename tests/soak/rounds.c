/* SPDX-License-Identifier: MIT */
/* rounds.c - what the soak does in C: closures of the library made, called, freed; and one caller
 */
#include <ffi_static.h>
#include <stdint.h>
#include <stdlib.h>

enum { MOST = 600, LONG = 24 };

static ffi_type *types[LONG];
static ffi_cif small, large;

__attribute__((constructor)) static void prepare(void)
{
    for (int i = 0; i < LONG; i++)
        types[i] = &ffi_type_slong;
    if (ffi_prep_cif(&small, FFI_DEFAULT_ABI, 2, &ffi_type_slong, types) != FFI_OK ||
        ffi_prep_cif(&large, FFI_DEFAULT_ABI, LONG, &ffi_type_slong, types) != FFI_OK)
        abort();
}

static void sum(ffi_cif *cif, void *ret, void **args, void *key)
{
    long all = (long)(intptr_t)key;
    for (unsigned i = 0; i < cif->nargs; i++)
        all += *(long *)args[i];
    *(ffi_arg *)ret = (ffi_arg)all;
}

static int is_right(void *code, int is_large, long key)
{
    if (!is_large)
        return ((long (*)(long, long))code)(key, 1) == 2 * key + 1;
    long (*f)(long, long, long, long, long, long, long, long, long, long, long, long, long, long,
              long, long, long, long, long, long, long, long, long, long) = code;
    return f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
             key) == 276 + 2 * key;
}

/* One round: up to MOST closures, plain and sealed, called when made and again when all are there.
 * How many calls were right, or -1 with a reason in ffi_static_error(), or -2: a wrong answer. */
long soak_round(unsigned *seed);
long soak_round(unsigned *seed)
{
    static const unsigned every = 16; /* one of so many is sealed, and one is long */
    ffi_static_closure *closure[MOST];
    void *code[MOST];
    long calls = 0, n = 1 + rand_r(seed) % MOST;
    for (long i = 0; i < n; i++) {
        int is_large = i % every == 3;
        closure[i] =
            ffi_static_alloc(sizeof **closure, i % every == 5 ? FFI_STATIC_SEALED : 0, &code[i]);
        if (!closure[i] ||
            ffi_static_prep(closure[i], is_large ? &large : &small, sum, (void *)(intptr_t)i, 0))
            return -1;
        if (!is_right(code[i], is_large, i))
            return -2;
        calls++;
    }
    for (long i = n; i-- > 0; calls++)
        if (!is_right(code[i], i % every == 3, i))
            return -2;
    for (long i = 0; i < n; i++)
        if (ffi_static_free(closure[i]))
            return -1;
    return calls;
}

/* Call a Python callback: f(0) + f(1) + ... */
long soak_call(int (*f)(int), int times);
long soak_call(int (*f)(int), int times)
{
    long all = 0;
    for (int i = 0; i < times; i++)
        all += f(i);
    return all;
}
