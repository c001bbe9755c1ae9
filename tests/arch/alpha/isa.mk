# SPDX-License-Identifier: MIT
# isa.mk - Alpha: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_alpha := alpha-linux-gnu
ARCH_QEMU_alpha   := alpha
ARCH_FIRST_alpha  := lda
