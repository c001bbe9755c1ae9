# SPDX-License-Identifier: MIT
# isa.mk - 32-bit Power: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_powerpc := powerpc-linux-gnu
ARCH_QEMU_powerpc   := ppc
ARCH_FIRST_powerpc  := mflr
