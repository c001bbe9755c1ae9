/* SPDX-License-Identifier: MIT */
/* abi.c - LoongArch: where arguments lie (arch/abi_lp64.h) */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_DEFAULT_ABI
#define FS_ABI_NAME "FFI_DEFAULT_ABI"
#define FS_ABI_NAMED(cif) ((cif)->loongarch_nfixedargs)
#include "arch/abi_lp64.h"
