/* SPDX-License-Identifier: MIT */
/* abi.c - RISC-V: where arguments lie (arch/abi_lp64.h) */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_SYSV
#define FS_ABI_NAME "FFI_SYSV"
#define FS_ABI_NAMED(cif) ((cif)->riscv_nfixedargs)
#include "arch/abi_lp64.h"
