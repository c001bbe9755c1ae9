# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: x86-64, not x32
FFI_STATIC_ISA([x86_64], [defined __x86_64__ && !defined __ILP32__])
