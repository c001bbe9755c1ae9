# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: x86-64 with pointers of 4 bytes
FFI_STATIC_ISA([x32], [defined __x86_64__ && defined __ILP32__])
