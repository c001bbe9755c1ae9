# SPDX-License-Identifier: MIT
# isa.mk - RISC-V: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_riscv64 := riscv64-linux-gnu
ARCH_QEMU_riscv64   := riscv64
ARCH_FIRST_riscv64  := auipc
ARCH_DEBIAN_riscv64 := riscv64
