# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 64-bit little-endian, the ELFv2 ABI
FFI_STATIC_ISA([powerpc64le],
  [defined __powerpc64__ && defined __LITTLE_ENDIAN__ && defined _CALL_ELF && _CALL_ELF == 2])
