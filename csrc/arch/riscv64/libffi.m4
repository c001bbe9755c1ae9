# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: LP64 with any floating-point ABI
FFI_STATIC_ISA([riscv64], [defined __riscv && __riscv_xlen == 64 && defined __LP64__])
