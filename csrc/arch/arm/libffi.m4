# SPDX-License-Identifier: MIT
# libffi.m4 - when a patched libffi uses this folder: little-endian EABI, soft or hard float, from
# ARMv5T on (a load into pc changes to Thumb) and with ARM code; not FDPIC, whose functions are pairs
FFI_STATIC_ISA([arm], [defined __ARM_EABI__ && !defined __ARMEB__ && !defined __FDPIC__ && __ARM_ARCH >= 5 && __ARM_ARCH_ISA_ARM])
