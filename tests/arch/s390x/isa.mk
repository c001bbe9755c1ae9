# SPDX-License-Identifier: MIT
# isa.mk - s390x: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_s390x := s390x-linux-gnu
ARCH_QEMU_s390x   := s390x
ARCH_FIRST_s390x  := larl
ARCH_DEBIAN_s390x := s390x
