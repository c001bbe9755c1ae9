# SPDX-License-Identifier: MIT
# link.mk - i386: what only x86 compilers take (landing pads, as CET's IBT wants them)
ARCH_CFLAGS := -fcf-protection=full
