/* SPDX-License-Identifier: MIT */
/* sealed.c - what a sealed closure costs: alloc, prep, free, and a call; a line of the table
 *
 * Prints the fastest of many short slices, because what disturbs a slice only adds to it. The
 * environment chooses: FFI_STATIC_HARDEN, FFI_STATIC_PROVIDER. Argument: 1 for FFI_STATIC_SEALED.
 */
#include <ffi_static.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLICES = 400, EACH = 50, CALLS = 20000 };

enum what { ALLOC, PREP, FREE, CALL, KINDS };
static double best[KINDS] = {1e9, 1e9, 1e9, 1e9};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void keep(enum what what, double since, int times)
{
    double each = (now() - since) / times;
    if (each < best[what])
        best[what] = each;
}

static void add(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    *(ffi_arg *)ret = (ffi_arg)(*(int *)args[0] + (int)(intptr_t)data);
}

static void fail(void)
{
    fprintf(stderr, "%s\n", ffi_static_error());
    exit(1);
}

int main(int argc, char **argv)
{
    static ffi_static_closure *closure[EACH];
    static void *code[EACH];
    ffi_type *types[] = {&ffi_type_sint};
    ffi_cif cif;
    unsigned flags = argc > 1 && atoi(argv[1]) ? FFI_STATIC_SEALED : 0;
    const char *method = "?";
    int all = ffi_static_sealing(&method), sum = 0;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK || all < 0)
        fail();
    for (int slice = 0; slice < SLICES; slice++) {
        double since = now();
        for (int i = 0; i < EACH; i++)
            if (!(closure[i] = ffi_static_alloc(sizeof *closure[i], flags, &code[i])))
                fail();
        keep(ALLOC, since, EACH);
        since = now();
        for (int i = 0; i < EACH; i++)
            if (ffi_static_prep(closure[i], &cif, add, (void *)(intptr_t)i, 0))
                fail();
        keep(PREP, since, EACH);
        int (*volatile f)(int) = (int (*)(int))code[0];
        since = now();
        for (int i = 0; i < CALLS; i++)
            sum += f(i);
        keep(CALL, since, CALLS);
        if (slice == SLICES - 1)
            break; /* the last ones tell the provider */
        since = now();
        for (int i = 0; i < EACH; i++)
            if (ffi_static_free(closure[i]))
                fail();
        keep(FREE, since, EACH);
    }
    printf("| %s | %s | %.0f | %.0f | %.0f | %.1f |\n", all || flags ? method : "not sealed",
           ffi_static_provider_of(code[0]), best[ALLOC], best[PREP], best[FREE], best[CALL]);
    return sum == 1;
}
