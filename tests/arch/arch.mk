# SPDX-License-Identifier: MIT
# arch.mk - trampolines, tables and providers on every architecture that csrc/arch has
#
# build/arch/<isa>/slots is base/, tramp/ and table.S of one architecture with tests/arch/slots.c,
# built by Debian's cross compiler and run by qemu-user (tests/arch/test_arch.py; x86-64 runs as it is).
# `make test-arch` goes on to the patched libffi: tests/arch/closures.py.
ARCHES  := $(sort $(notdir $(patsubst %/table.S,%,$(wildcard csrc/arch/*/table.S))))
-include $(ARCHES:%=tests/arch/%/isa.mk)
ARCH_CC  = $(if $(filter $(1),$(ISA)),$(CC),$(ARCH_TRIPLE_$(1))-gcc)
ARCH_LINK = $(addprefix -Wl$(comma)--dynamic-linker=,$(ARCH_LOADER_$(1))) \
            $(addprefix -Wl$(comma)--disable-new-dtags$(comma)-rpath$(comma),$(dir $(ARCH_LOADER_$(1))))
ARCH_WRAP := $(foreach f,mmap mmap64 munmap mremap mprotect,-Wl,--wrap=$(f))
ARCH_PROGRAMS := $(ARCHES:%=$(BUILD)/arch/%/slots)
ARCH_COMMON := $(wildcard csrc/base/*.c csrc/tramp/*.c) tests/arch/slots.c tests/arch/pages.c
ARCH_OWN := $(wildcard tests/arch/*/*.c) # each for its own architecture
ARCH_HEADERS := $(wildcard csrc/base/*.h csrc/arch/*.h csrc/tramp/*.h tests/arch/*.h)

.PHONY: test-arch tests-arch arch-same
tests-arch: $(ARCH_PROGRAMS)

$(ARCH_PROGRAMS): $(BUILD)/arch/%/slots: csrc/arch/%/table.S csrc/arch/%/arch.h tests/arch/%/probe.S \
                                         $(ARCH_COMMON) $(ARCH_HEADERS) $(ARCH_OWN)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(call ARCH_CC,$*) -std=gnu11 $(WARN) -O2 -g -fPIC -fvisibility=hidden -pthread -Icsrc \
	  -Icsrc/arch/$* -Itests/arch $(ARCH_FLAGS_$*) $(call ARCH_LINK,$*) $(ARCH_WRAP) -o $@ \
	  $(filter-out $(ARCH_OWN),$(filter %.c %.S,$^)) \
	  $(filter tests/arch/$*/%,$(ARCH_OWN))

test-arch: $(READY) ## [slow] our tables on other architectures, alone and in a patched libffi (qemu-user)
	@sh tests/arch/packages.sh
	@$(MAKE) --no-print-directory -s $(SUITES:%=$(BUILD)/libffi/%/version)
	@$(PYTEST) -q tests/arch/test_arch.py
	@$(PY) -m tests.arch.guest --build $(BUILD)
	@$(PY) -m tests.arch.closures --build $(BUILD)
	@bash tests/arch/root.sh $(BUILD)

arch-same: $(READY) ## [check] BASE=commit: does csrc/arch make the same code as there?
	@test -n "$(BASE)" || { echo "arch-same: compared with what? make arch-same BASE=HEAD" >&2; exit 2; }
	@$(PY) -m tests.arch.same --build $(BUILD) --base $(BASE)
