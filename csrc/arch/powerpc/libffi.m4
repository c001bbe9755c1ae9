# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 32-bit, big-endian, System V
FFI_STATIC_ISA([powerpc],
  [defined __powerpc__ && !defined __powerpc64__ && defined __BIG_ENDIAN__])
