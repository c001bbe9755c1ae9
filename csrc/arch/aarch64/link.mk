# SPDX-License-Identifier: MIT
# link.mk - AArch64: signed return addresses (PAC) and landing pads (BTI) in C, as assembly has them
#
# Read by make and, for ARCH_CFLAGS, by csrc/py/extension.py. Both are hints, which processors
# without them run as nops. Whether the whole library is marked is the linker's decision: Debian's
# start files (crti.o, crtbeginS.o) have no landing pads, so there it is not.
ARCH_CFLAGS := -mbranch-protection=standard
