# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: Alpha
FFI_STATIC_ISA([alpha], [defined __alpha__])
