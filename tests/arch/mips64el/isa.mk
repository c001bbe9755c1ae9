# SPDX-License-Identifier: MIT
# isa.mk - 64-bit MIPS: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_mips64el := mips64el-linux-gnuabi64
ARCH_QEMU_mips64el   := mips64el
ARCH_FIRST_mips64el  := lui
# The C library asks for an executable stack.
ARCH_FLAGS_mips64el  := -DFS_TEST_SYSTEM_WX
