# SPDX-License-Identifier: MIT
# isa.mk - x86-64: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_x86_64 := x86_64-linux-gnu
ARCH_QEMU_x86_64   := x86_64
ARCH_FIRST_x86_64  := endbr64
ARCH_FLAGS_x86_64  := -fcf-protection=full
ARCH_DEBIAN_x86_64 := amd64
