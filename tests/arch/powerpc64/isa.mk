# SPDX-License-Identifier: MIT
# isa.mk - 64-bit Power, ELFv1: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_powerpc64 := powerpc64-linux-gnu
ARCH_QEMU_powerpc64   := ppc64
# A trampoline has no code to unwind.
ARCH_LACKS_powerpc64  := an_unwinder_is_told_of_mapped_trampolines
