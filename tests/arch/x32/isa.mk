# SPDX-License-Identifier: MIT
# isa.mk - x32: what the tests must know of it beyond arch.h (read by make and by isas.py)
ARCH_TRIPLE_x32 := x86_64-linux-gnux32
ARCH_FIRST_x32  := endbr64
# No emulator runs its programs, and hardly a kernel does: tests/arch/guest.py boots one.
ARCH_LOADER_x32 := /usr/x86_64-linux-gnux32/lib/ld-linux-x32.so.2
