# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 64-bit big-endian, the ELFv1 ABI
FFI_STATIC_ISA([powerpc64],
  [defined __powerpc64__ && defined __BIG_ENDIAN__ && (!defined _CALL_ELF || _CALL_ELF == 1)])
