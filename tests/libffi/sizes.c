/* SPDX-License-Identifier: MIT */
/* sizes.c - prints what of libffi's ABI stands in its headers: sizes, offsets, numbers
 *
 * Compiled against the headers of stock and of patched; the output has to be the same.
 */
#include <ffi.h>
#include <stddef.h>
#include <stdio.h>

#define SIZE(what) printf("sizeof %s %zu\n", #what, sizeof(what))
#define NUMBER(what) printf("%s %ld\n", #what, (long)(what))
#define OFFSET(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))

int main(void)
{
    SIZE(ffi_cif), SIZE(ffi_type), SIZE(ffi_closure), SIZE(ffi_raw_closure);
    SIZE(ffi_java_raw_closure), SIZE(ffi_go_closure), SIZE(ffi_raw), SIZE(ffi_arg);
    OFFSET(ffi_cif, arg_types), OFFSET(ffi_cif, rtype), OFFSET(ffi_cif, bytes);
    OFFSET(ffi_cif, flags), OFFSET(ffi_closure, cif), OFFSET(ffi_closure, fun);
    OFFSET(ffi_closure, user_data), OFFSET(ffi_raw_closure, cif);
    OFFSET(ffi_raw_closure, translate_args), OFFSET(ffi_raw_closure, this_closure);
    OFFSET(ffi_raw_closure, fun), OFFSET(ffi_raw_closure, user_data);
    NUMBER(FFI_TRAMPOLINE_SIZE), NUMBER(FFI_CLOSURES), NUMBER(FFI_NATIVE_RAW_API);
    NUMBER(FFI_DEFAULT_ABI), NUMBER(FFI_LAST_ABI), NUMBER(FFI_GO_CLOSURES);
    NUMBER(FFI_TYPE_LAST), NUMBER(FFI_BAD_ARGTYPE);
    return 0;
}
