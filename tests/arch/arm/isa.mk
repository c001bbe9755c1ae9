# SPDX-License-Identifier: MIT
# isa.mk - ARM: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_arm := arm-linux-gnueabihf
ARCH_QEMU_arm   := arm
ARCH_FIRST_arm  := add
ARCH_LACKS_arm  := an_unwinder_is_told_of_mapped_trampolines
ARCH_DEBIAN_arm := armhf
