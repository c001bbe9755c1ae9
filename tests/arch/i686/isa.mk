# SPDX-License-Identifier: MIT
# isa.mk - i386: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_i686 := i686-linux-gnu
ARCH_QEMU_i686   := i386
ARCH_FIRST_i686  := endbr32
ARCH_LOADER_i686 := /usr/i686-linux-gnu/lib/ld-linux.so.2
ARCH_FLAGS_i686  := -fcf-protection=full
ARCH_DEBIAN_i686 := i386
