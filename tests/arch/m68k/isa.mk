# SPDX-License-Identifier: MIT
# isa.mk - m68k: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_m68k := m68k-linux-gnu
ARCH_QEMU_m68k   := m68k
ARCH_FIRST_m68k  := lea
# Clang 14, for which the target is an experiment, lacks the 68020's ways to address.
ARCH_CLANG_m68k  := no
