# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 64-bit SPARC
FFI_STATIC_ISA([sparc64], [defined __sparc__ && defined __arch64__])
