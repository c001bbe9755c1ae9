# SPDX-License-Identifier: MIT
# isa.mk - AArch64: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_aarch64 := aarch64-linux-gnu
ARCH_QEMU_aarch64   := aarch64
ARCH_FIRST_aarch64  := bti
ARCH_FLAGS_aarch64  := -mbranch-protection=standard
ARCH_DEBIAN_aarch64 := arm64
