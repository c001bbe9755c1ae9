# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 64-bit MIPS, little-endian, the n64 ABI
FFI_STATIC_ISA([mips64el],
  [defined __mips64 && defined __MIPSEL__ && _MIPS_SIM == _ABI64])
