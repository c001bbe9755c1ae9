# SPDX-License-Identifier: MIT
# isa.mk - ppc64le: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_powerpc64le := powerpc64le-linux-gnu
ARCH_QEMU_powerpc64le   := ppc64le
ARCH_FIRST_powerpc64le  := addis
# Complex types: from 3.8 on.
ARCH_LIBFFI_powerpc64le := newest
ARCH_DEBIAN_powerpc64le := ppc64el
