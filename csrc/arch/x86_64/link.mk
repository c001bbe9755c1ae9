# SPDX-License-Identifier: MIT
# link.mk - x86-64: how the library is marked as fit for CET (IBT and shadow stacks)
#
# Read by make and, for ARCH_CFLAGS, by csrc/py/extension.py.
#
# The linker drops the mark when libc's start files lack it (Debian's crti.o and libc_nonshared.a
# do). It is put back, and made true: of their code only crti.o's _init and _fini, which serve
# gprof, would be reached by indirect calls, and naming functions that do not exist leaves them out
# of the dynamic section. tests/unwind/test_cet.py checks every other target. lld calls the option
# force-ibt, and warns of each of libc's start files. gold knows no such marks.
MARKS_CET := -Wl,-z,$(if $(findstring lld,$(LDFLAGS)),force-ibt,ibt) -Wl,-z,shstk
ARCH_LDFLAGS := $(if $(findstring gold,$(LDFLAGS)),,$(MARKS_CET)) -Wl,-init=fs_no_init -Wl,-fini=fs_no_fini
ARCH_CFLAGS := -fcf-protection=full
