/* SPDX-License-Identifier: MIT */
/* raw.c - libffi's raw closures, which its own testsuite does not try
 *
 * Their handler gets the arguments as words instead of pointers. On most architectures libffi makes
 * them out of ordinary closures; i386 has entry code for them, and its own way to prepare them.
 * More than the resident table holds, so that a mapped one is used too. Exit status: 0, or 1 with
 * what was wrong on standard error.
 */
#include <ffi.h>
#include <stdio.h>

#define MANY 300

static void add(ffi_cif *cif, void *result, ffi_raw *words, void *data)
{
    (void)cif;
    *(ffi_sarg *)result = words[0].sint - 2 * words[1].sint + *(int *)data;
}

static int says(const char *what, int number)
{
    fprintf(stderr, "raw closure %d: %s\n", number, what);
    return 1;
}

int main(void)
{
    static int data[MANY];
    static void *closures[MANY];
    ffi_type *types[] = {&ffi_type_sint, &ffi_type_sint};
    ffi_cif cif;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint, types) != FFI_OK)
        return says("no cif", 0);
    for (int i = 0; i < MANY; i++) {
        void *code;
        ffi_raw_closure *c = closures[i] = ffi_closure_alloc(sizeof *c, &code);
        data[i] = 1000 * i;
        if (!c)
            return says("none was given", i);
        if (ffi_prep_raw_closure_loc(c, &cif, add, &data[i], code) != FFI_OK)
            return says("not prepared", i);
        if (((int (*)(int, int))code)(70, i) != 70 - 2 * i + data[i])
            return says("a wrong result", i);
    }
#ifdef __i386__
    typedef int __attribute__((thiscall)) method(int, int);
    if (ffi_prep_cif(&cif, FFI_THISCALL, 2, &ffi_type_sint, types) != FFI_OK)
        return says("no cif for a method", 0);
    for (int i = 0; i < MANY; i++) {
        void *code;
        ffi_raw_closure *c = ffi_closure_alloc(sizeof *c, &code);
        if (!c || ffi_prep_raw_closure_loc(c, &cif, add, &data[i], code) != FFI_OK)
            return says("not prepared as a method", i);
        if (((method *)code)(70, i) != 70 - 2 * i + data[i])
            return says("a wrong result of a method", i);
        ffi_closure_free(c);
    }
#endif
    for (int i = 0; i < MANY; i++)
        ffi_closure_free(closures[i]);
    return 0;
}
