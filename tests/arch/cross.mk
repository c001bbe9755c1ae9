# SPDX-License-Identifier: MIT
# cross.mk - ISA=aarch64 on a machine of another architecture: compiler, libffi and emulator of that one
#
# Read by the Makefile where ISA is not what CC builds for. Everything goes to build/<isa>. What is
# needed comes by itself: Debian's cross compiler and QEMU (tools.sh), and libffi, which is built
# from the sources that `make libffi` gets, because not every architecture has packages in the
# suites that we build on. A name without tests/arch/<isa>/isa.mk changes nothing here.
-include tests/arch/$(ISA)/isa.mk

ifneq ($(ARCH_TRIPLE_$(ISA)),)
CROSS   := $(ARCH_TRIPLE_$(ISA))
override BUILD := $(NATIVE)/$(ISA)
# Compilers of another suite are wrappers there (tools.sh).
export PATH := $(abspath $(BUILD)/bin):$(PATH)

# The headers that the library is compiled with, and the libffi that programs are linked with: the
# archive alone, so that no program needs a path to find it.
CROSS_SUITE := $(or $(ARCH_LIBFFI_$(ISA)),trixie)
CROSS_FFI   := $(BUILD)/libffi/$(CROSS_SUITE)/upstream
override CC := $(CROSS)-gcc -isystem $(abspath $(CROSS_FFI))/include
# What a program is linked with, so that its libffi and its loader are found.
CROSS_LDFLAGS = -L$(abspath $(CROSS_FFI))/archive \
  $(patsubst %,-Wl$(comma)--dynamic-linker=%,$(ARCH_LOADER_$(ISA))) \
  $(patsubst %,-Wl$(comma)--disable-new-dtags$(comma)-rpath$(comma)%,$(dir $(ARCH_LOADER_$(ISA))))
CROSS_RUN := qemu-$(ARCH_QEMU_$(ISA))-static -L /usr/$(CROSS)
CROSS_TOOLS  := $(BUILD)/.tools
CROSS_GROUND := $(CROSS_TOOLS) $(BUILD)/libffi/$(CROSS_SUITE)/.upstream

$(CROSS_TOOLS): tests/arch/tools.sh tests/arch/packages.sh tests/arch/$(ISA)/isa.mk | $(NATIVE)/.system
	@mkdir -p $(@D)
	@bash tests/arch/tools.sh $(ISA) $(NATIVE)
	@touch $@

# As patches/libffi/libffi.mk has them for this machine.
$(BUILD)/libffi/%/.upstream: $(NATIVE)/libffi/%/version patches/libffi/build.sh | $(CROSS_TOOLS)
	@bash patches/libffi/build.sh $(<D) upstream $(CROSS) $(@D)
	@mkdir -p $(@D)/upstream/archive && ln -sf ../lib/libffi.a $(@D)/upstream/archive/libffi.a
	@touch $@
$(BUILD)/libffi/%/.patched: $(NATIVE)/libffi/%/version patches/libffi/build.sh \
                            $(wildcard patches/libffi/*.patch patches/libffi/series.*) | $(CROSS_TOOLS)
	@bash patches/libffi/build.sh $(<D) patched $(CROSS) $(@D)
	@touch $@
endif
