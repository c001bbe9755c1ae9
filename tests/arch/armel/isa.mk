# SPDX-License-Identifier: MIT
# isa.mk - soft-float ARM, ARMv5TE: what the tests must know beyond arm's (read by make and by isas.py)
ARCH_FOLDER_armel := arm
ARCH_TRIPLE_armel := arm-linux-gnueabi
ARCH_QEMU_armel   := arm
# clang takes ARMv4T for this triple, which Debian's port is not.
ARCH_FLAGS_armel  := -march=armv5te
ARCH_FIRST_armel  := add
ARCH_LACKS_armel  := an_unwinder_is_told_of_mapped_trampolines
ARCH_DEBIAN_armel := armel
