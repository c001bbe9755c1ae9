/* SPDX-License-Identifier: MIT */
/* sort.c - qsort() by a column that is chosen at run time: a comparator with data of its own
 *
 * qsort() hands its comparator no data. A closure is a function pointer that has some.
 */
#include <ffi_static.h>
#include <stdio.h>
#include <stdlib.h>

static void compare(ffi_cif *cif, void *ret, void **args, void *column)
{
    (void)cif;
    const int *a = *(const int **)args[0], *b = *(const int **)args[1];
    int c = *(const int *)column;
    *(ffi_sarg *)ret = (a[c] > b[c]) - (a[c] < b[c]);
}

int main(int argc, char **argv)
{
    int rows[][2] = {{1, 30}, {2, 10}, {3, 20}}, column = argc > 1 ? atoi(argv[1]) & 1 : 1;
    ffi_type *types[] = {&ffi_type_pointer, &ffi_type_pointer};
    ffi_cif cif;
    int (*comparator)(const void *, const void *);
    ffi_static_closure *closure = ffi_static_alloc(sizeof *closure, 0, (void **)&comparator);
    if (!closure || ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint, types) != FFI_OK ||
        ffi_static_prep(closure, &cif, compare, &column, 0) < 0) {
        fprintf(stderr, "%s\n", ffi_static_error());
        return 1;
    }
    qsort(rows, 3, sizeof *rows, comparator);
    printf("by column %d: %d %d %d\n", column, rows[0][0], rows[1][0], rows[2][0]);
    return ffi_static_free(closure) ? 1 : 0;
}
