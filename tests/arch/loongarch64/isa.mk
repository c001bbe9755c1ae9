# SPDX-License-Identifier: MIT
# isa.mk - LoongArch: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_loongarch64 := loongarch64-linux-gnu
ARCH_QEMU_loongarch64   := loongarch64
ARCH_FIRST_loongarch64  := pcaddi
ARCH_ROOT_loongarch64   := trixie
ARCH_DEBIAN_loongarch64 := loong64
ARCH_SUITE_loongarch64  := sid
