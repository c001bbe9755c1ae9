/* SPDX-License-Identifier: MIT */
/* rows.c - the order in which the rows are measured and printed */
#include "row.h"

extern const struct row row_void_void, row_int_int, row_ptr_ptr_ptr, row_double_double, row_int6,
    row_mixed5, row_mixed10, row_double8, row_longs20, row_longdouble, row_int8, row_uint16,
    row_complex, row_struct_dd, row_struct_if, row_struct_ld, row_struct_64, row_qsort;

const struct row *const rows[] = {
    &row_void_void,
    &row_int_int,
    &row_ptr_ptr_ptr,
    &row_double_double,
    &row_int6,
    &row_mixed5,
    &row_mixed10,
    &row_double8,
    &row_struct_dd,
    &row_struct_if,
    &row_struct_ld,
    &row_struct_64,
    &row_longdouble,
    &row_int8,
    &row_uint16,
    &row_complex,
    &row_longs20,
    &row_qsort,
    NULL,
};

ffi_cif hand_cif;
