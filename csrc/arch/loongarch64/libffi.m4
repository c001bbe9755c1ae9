# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: LP64 with any floating-point ABI
# GCC 12 is not known to have __builtin_thread_pointer() here (base/thread.h).
FFI_STATIC_ISA([loongarch64],
  [defined __loongarch__ && defined __LP64__ && (__GNUC__ >= 13 || defined __clang__)])
