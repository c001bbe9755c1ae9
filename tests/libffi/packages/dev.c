/* SPDX-License-Identifier: MIT */
/* dev.c - a program as libffi-dev's users write them: closures through ffi.h, called, freed
 *
 * Compiled with the installed headers against the shared and the static library. Exit status 0
 * when every call answered rightly and no executable memory is writable or shared. Also built with
 * musl, where it is all that is asked of the library apart from upstream's testsuite.
 */
#include <ffi.h>
#include <stdio.h>
#include <string.h>

#define COUNT 1000

static void add(ffi_cif *cif, void *result, void **values, void *data)
{
    (void)cif;
    *(ffi_arg *)result = (ffi_arg)(*(int *)values[0] + (int)*(double *)values[1] + *(int *)data);
}

static int mappings_with(char a, char b)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        return -1;
    char line[4096 + 128], rights[5];
    int found = 0;
    while (fgets(line, sizeof line, maps))
        found += sscanf(line, "%*s %4s", rights) == 1 && strchr(rights, a) && strchr(rights, b);
    fclose(maps);
    return found;
}

int main(int argc, char **argv)
{
    static ffi_closure *closures[COUNT];
    static int data[COUNT];
    typedef int (*function)(int, double);
    static function code[COUNT];
    ffi_type *types[] = {&ffi_type_sint, &ffi_type_double};
    ffi_cif cif;
    int wrong = ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint, types) != FFI_OK;
    for (int i = 0; i < COUNT && !wrong; i++) {
        void *address;
        data[i] = i;
        closures[i] = ffi_closure_alloc(sizeof *closures[i], &address);
        wrong = !closures[i] ||
                ffi_prep_closure_loc(closures[i], &cif, add, &data[i], address) != FFI_OK;
        memcpy(&code[i], &address, sizeof address);
    }
    for (int i = 0; i < COUNT && !wrong; i++)
        wrong = code[i](i, 3.5) != 2 * i + 3;
    int writable = mappings_with('w', 'x'), shared = mappings_with('s', 'x');
    for (int i = 0; i < COUNT && !wrong; i++)
        ffi_closure_free(closures[i]);
    printf("%s: %d closures %s; executable and writable: %d, and shared: %d\n",
           argc > 1 ? argv[1] : argv[0], COUNT, wrong ? "WRONG" : "right", writable, shared);
    return wrong || writable || shared;
}
