# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: little-endian LP64
FFI_STATIC_ISA([aarch64], [defined __aarch64__ && defined __LP64__ && !defined __AARCH64EB__])
