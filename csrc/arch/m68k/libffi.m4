# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: 68020 or later, not ColdFire
FFI_STATIC_ISA([m68k], [defined __m68k__ && !defined __mcoldfire__ && (defined __mc68020__ || defined __mc68030__ || defined __mc68040__ || defined __mc68060__)])
