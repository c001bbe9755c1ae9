# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: any 32-bit x86
FFI_STATIC_ISA([i686], [defined __i386__])
