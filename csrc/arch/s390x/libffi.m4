# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: z/Architecture, not 31-bit programs on it
FFI_STATIC_ISA([s390x], [defined __s390x__])
