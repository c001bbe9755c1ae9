# SPDX-License-Identifier: MIT
# isa.mk - 64-bit SPARC: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_sparc64 := sparc64-linux-gnu
ARCH_QEMU_sparc64   := sparc64
ARCH_FIRST_sparc64  := rd
# Procedure linkage tables are code in a program's data, by the psABI.
ARCH_FLAGS_sparc64  := -DFS_TEST_SYSTEM_WX
