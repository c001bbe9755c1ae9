# SPDX-License-Identifier: MIT
# arch.mk - trampolines, tables and providers on every architecture that csrc/arch has
#
# build/arch/<isa>/slots is base/, tramp/ and table.S of one architecture with tests/arch/slots.c,
# built by Debian's cross compiler and run by qemu-user (tests/arch/test_arch.py; x86-64 runs as it is).
# `make test-arch` goes on to the patched libffi: tests/arch/closures.py. ISA= and KIND= choose:
# libffi is that; core, abi and fuzz are the library's own tests under qemu-user; python is the package
# in an emulated root (python.sh). KIND= alone runs that kind on each architecture that has it.
ARCHES  := $(sort $(notdir $(patsubst %/table.S,%,$(wildcard csrc/arch/*/table.S))))
# Of those that are in no folder of their own: variants, such as armel.
ARCH_VARIANTS := $(filter-out $(ARCHES),$(notdir $(patsubst %/isa.mk,%,$(wildcard tests/arch/*/isa.mk))))
-include $(ARCHES:%=tests/arch/%/isa.mk) $(ARCH_VARIANTS:%=tests/arch/%/isa.mk)
ARCH_FOLDER = $(or $(ARCH_FOLDER_$(1)),$(1))
ARCH_CC  = $(if $(filter $(1),$(ISA)),$(CC),$(ARCH_TRIPLE_$(1))-gcc)
ARCH_LINK = $(addprefix -Wl$(comma)--dynamic-linker=,$(ARCH_LOADER_$(1))) \
            $(addprefix -Wl$(comma)--disable-new-dtags$(comma)-rpath$(comma),$(dir $(ARCH_LOADER_$(1))))
ARCH_WRAP := $(foreach f,mmap mmap64 munmap mremap mprotect,-Wl,--wrap=$(f))
ARCH_PROGRAMS := $(patsubst %,$(BUILD)/arch/%/slots,$(ARCHES) $(ARCH_VARIANTS))
ARCH_COMMON := $(wildcard csrc/base/*.c csrc/tramp/*.c) tests/arch/slots.c tests/arch/pages.c
ARCH_OWN := $(wildcard tests/arch/*/*.c) # each for its own architecture
ARCH_HEADERS := $(wildcard csrc/base/*.h csrc/arch/*.h csrc/tramp/*.h tests/arch/*.h)

KINDS := core abi fuzz libffi python
KIND  ?=
# Of another architecture, what its tests of the library need: tests/support/emulated.py.
ARCH_LIBRARY := lib tests-c tests-abi tests-bad-days tests-unwind tests-nested
ARCH_COUNT := 10000# signatures of the fuzzer
ARCH_ELSEWHERE := $(filter-out $(NATIVE_ISA),$(notdir $(patsubst %/entry.S,%,$(wildcard csrc/arch/*/entry.S))) $(ARCH_VARIANTS))
# pytest -k: the architecture as a whole word of a test's name.
ARCH_TESTS := ([$(ISA)] or [$(ISA)- or -$(ISA)] or -$(ISA)-)

.PHONY: test-arch tests-arch arch-same arch-what $(KINDS:%=test-arch-%)
tests-arch: $(ARCH_PROGRAMS)

ARCH_SOURCES = $(addprefix csrc/arch/$(1)/,table.S arch.h) tests/arch/$(1)/probe.S
$(foreach a,$(ARCHES) $(ARCH_VARIANTS),\
  $(eval $(BUILD)/arch/$(a)/slots: $(call ARCH_SOURCES,$(call ARCH_FOLDER,$(a)))))
$(ARCH_PROGRAMS): $(BUILD)/arch/%/slots: $(ARCH_COMMON) $(ARCH_HEADERS) $(ARCH_OWN)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(call ARCH_CC,$*) -std=gnu11 $(WARN) -O2 -g -fPIC -fvisibility=hidden -pthread -Icsrc \
	  -Icsrc/arch/$(call ARCH_FOLDER,$*) -Itests/arch $(ARCH_FLAGS_$*) $(call ARCH_LINK,$*) $(ARCH_WRAP) -o $@ \
	  $(filter-out $(ARCH_OWN),$(filter %.c %.S,$^)) \
	  $(filter tests/arch/$(call ARCH_FOLDER,$*)/%,$(ARCH_OWN))

ifneq ($(CROSS),)
# What closures do not need stays when they do not run: tables, and the patched libffi.
test-arch: $(addprefix test-arch-,$(or $(KIND),libffi $(if $(CANNOT),,core abi fuzz python)))
test-arch-libffi: $(READY) $(CROSS_TOOLS)
	@sh tests/arch/packages.sh
	@$(MAKE) --no-print-directory -s $(patsubst %,$(NATIVE)/libffi/%/version,$(filter-out el9,$(SUITES)))
	@$(PYTEST) -q tests/arch/test_arch.py -k "$(ARCH_TESTS)"
	@$(PY) -m tests.arch.guest --build $(NATIVE) --isa $(ISA)
	@$(PY) -m tests.arch.closures --build $(NATIVE) --arch $(ISA)
test-arch-core: $(READY) $(ARCH_LIBRARY)
	@$(PYTEST) -q -n $(JOBS) tests/core/test_emulated.py tests/core/test_far.py tests/unwind/test_emulated.py tests/nested/test_emulated.py -k "$(ARCH_TESTS) and not abi- and not types"
test-arch-abi: $(READY) $(ARCH_LIBRARY)
	@$(PYTEST) -q -n $(JOBS) tests/core/test_emulated.py -k "$(ARCH_TESTS) and (abi- or types)"
test-arch-fuzz: $(READY) lib
	@$(PYTEST) -q -n $(JOBS) tests/fuzz/test_fuzz.py -k "$(ARCH_TESTS) and elsewhere"
	@$(PY) -m tests.fuzz --isa $(ISA) --seed $(SEED) --count $(ARCH_COUNT) --jobs $(JOBS)
tests-callback: $(BUILD)/python/ffi_static/_lib.so
$(BUILD)/python/ffi_static/_lib.so: tests/arch/callback.sh $(LIB)/libffi_static.a \
    $(wildcard csrc/py/* csrc/dropin/* ffi_static/*.py ffi_static/*/*.py) | $(READY)
	@PYTHON=$(PY) bash tests/arch/callback.sh $(ISA) $(NATIVE) $(CC)
test-arch-python: $(READY) $(CROSS_TOOLS)
	@JOBS=$(JOBS) bash tests/arch/python.sh $(ISA) $(NATIVE)
	@test ! -e tests/arch/$(ISA)/python.txt || $(PY) -m tests.arch.python_guest --build $(NATIVE) --isa $(ISA)
else ifneq ($(KIND),)
test-arch: arch-what
	@for isa in $(if $(filter libffi,$(KIND)),$(filter-out $(NATIVE_ISA),$(ARCHES) $(ARCH_VARIANTS)),$(ARCH_ELSEWHERE)); do \
	  echo "$$isa:"; $(MAKE) --no-print-directory test-arch ISA=$$isa KIND=$(KIND) || exit; done
else
test-arch: $(READY) ## [slow] other architectures (qemu-user): ISA=aarch64 KIND=core|abi|fuzz|libffi|python
	@sh tests/arch/packages.sh
	@$(MAKE) --no-print-directory -s $(patsubst %,$(BUILD)/libffi/%/version,$(filter-out el9,$(SUITES)))
	@$(PYTEST) -q tests/arch/test_arch.py
	@$(PY) -m tests.arch.guest --build $(BUILD)
	@$(PY) -m tests.arch.closures --build $(BUILD)
	@bash tests/arch/root.sh $(BUILD)
endif
# A short form of another architecture, a part of `make test`: where its tools are, or root can install
# them. Where not, this says why, and the tests of that architecture skip. TEST_ISA= chooses another.
TEST_ISA := aarch64
.PHONY: tests-elsewhere tests-callback
tests-elsewhere:
	@if [ $(TEST_ISA) != $(NATIVE_ISA) ]; then \
	  $(MAKE) --no-print-directory ISA=$(TEST_ISA) $(ARCH_LIBRARY) tests-callback >$(NATIVE)/elsewhere.log 2>&1 || \
	  { tail -n 5 $(NATIVE)/elsewhere.log; \
	    echo "tests-elsewhere: going on without $(TEST_ISA), which was not built (above, and $(NATIVE)/elsewhere.log)"; } >&2; fi

arch-what:
	@test -n "$(filter $(KINDS),$(KIND))" || { echo "test-arch: no KIND '$(KIND)'; there are: $(KINDS)" >&2; exit 2; }

arch-same: $(READY) ## [more check] BASE=commit: does csrc/arch make the same code as there?
	@test -n "$(BASE)" || { echo "arch-same: compared with what? make arch-same BASE=HEAD" >&2; exit 2; }
	@$(PY) -m tests.arch.same --build $(BUILD) --base $(BASE)
