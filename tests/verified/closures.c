/* SPDX-License-Identifier: MIT */
/* closures.c - a thousand closures; it stops itself while it has them (witness.c), and calls them
 *
 * Compiled with -DOURS, they are ffi_static's; else they are libffi's, whichever libffi.so.8 is
 * found. Prints what it has, or in the library's words why not, and ends with 1 then.
 */
#include <errno.h>
#include <ffi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef OURS
#include "ffi_static.h"
#endif

enum { COUNT = 1000 };
static void *code[COUNT];
static ffi_cif cif;

static void add(ffi_cif *c, void *ret, void **args, void *data)
{
    (void)c;
    *(ffi_sarg *)ret = *(int *)args[0] + (int)(intptr_t)data;
}

#ifdef OURS
static const char *make(int i)
{
    ffi_static_closure *closure = ffi_static_alloc(sizeof *closure, 0, &code[i]);
    if (!closure || ffi_static_prep(closure, &cif, add, (void *)(intptr_t)i, 0) < 0)
        return ffi_static_error();
    return NULL;
}

static void say_providers(void)
{
    const char *name;
    for (unsigned p = 0; (name = ffi_static_provider_name(p)); p++) {
        int of_it = 0;
        for (int i = 0; i < COUNT; i++)
            of_it += !strcmp(ffi_static_provider_of(code[i]), name);
        if (of_it)
            printf("; %d by %s", of_it, name);
    }
}
#else
static const char *make(int i)
{
    errno = 0;
    ffi_closure *closure = ffi_closure_alloc(sizeof *closure, &code[i]);
    if (!closure) {
        static char why[128];
        snprintf(why, sizeof why, "ffi_closure_alloc() gave NULL: %s", strerror(errno));
        return why;
    }
    int status = ffi_prep_closure_loc(closure, &cif, add, (void *)(intptr_t)i, code[i]);
    return status == FFI_OK ? NULL : "ffi_prep_closure_loc() failed";
}

static void say_providers(void)
{
}
#endif

int main(void)
{
    ffi_type *arguments[] = {&ffi_type_sint};
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, arguments) != FFI_OK)
        return 2;
    for (int i = 0; i < COUNT; i++) {
        const char *why = make(i);
        if (why) {
            printf("closure %d: %s\n", i + 1, why);
            return 1;
        }
    }
    raise(SIGSTOP);
    int right = 0;
    for (int i = 0; i < COUNT; i++)
        right += ((int (*)(int))(uintptr_t)code[i])(42) == 42 + i;
    printf("%d of %d closures right", right, COUNT);
    say_providers();
    printf("\n");
    return right != COUNT;
}
