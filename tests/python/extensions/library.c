// SPDX-License-Identifier: MIT
// library.c - a shared library that makes a closure of libffi itself

#include <ffi.h>
#include <stddef.h>
static void answer(ffi_cif *cif, void *ret, void **args, void *data)
{
    *(ffi_arg *)ret = 42;
}
/* A closure that answers 42, called once. */
int use(void);
int use(void)
{
    static ffi_cif cif;
    void *code = NULL;
    int result = -1;
    ffi_closure *closure = ffi_closure_alloc(sizeof *closure, &code);
    if (closure && ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_sint, NULL) == FFI_OK &&
        ffi_prep_closure_loc(closure, &cif, answer, NULL, code) == FFI_OK)
        result = ((int (*)(void))code)();
    ffi_closure_free(closure);
    return result;
}
