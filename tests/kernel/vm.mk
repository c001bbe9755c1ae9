# SPDX-License-Identifier: MIT
# vm.mk - the kernel module's tests in emulated machines: programs for the guest, and who boots them
#
# build/vm/bin/<arch>/ gets static programs that need nothing of the guest: init, the selftests,
# the fuzzer, the benchmark. `make test-vm` boots them on Debian's kernels (tests/kernel/vm/run.py) with
# the module that `make kmod` builds.
#
#   make test-vm [KERNEL=6.1|6.12|newest] [ARCH=x86_64|arm64|arm64-16k|ppc64el|riscv64|s390x|loong64] [PARTS=abc]
#   make test-vm-debug      6.1 with KASAN, lockdep and kmemleak, built here the first time
VM       := $(BUILD)/vm
VM_ARCHES := x86_64 arm64 powerpc64le riscv64 s390x loongarch64
VM_ISA_x86_64 := x86_64
VM_ISA_arm64  := aarch64
VM_ISA_powerpc64le := powerpc64le
VM_ISA_riscv64 := riscv64
VM_ISA_s390x  := s390x
VM_ISA_loongarch64 := loongarch64
# The benchmark is of the library's provider, which knows the module on these.
VM_MORE_x86_64 := bench selftests32
VM_MORE_arm64  := bench selftests32
VM_CC_x86_64  := $(if $(filter x86_64,$(ISA)),gcc,x86_64-linux-gnu-gcc)
VM_CC_arm64   := $(if $(filter aarch64,$(ISA)),gcc,aarch64-linux-gnu-gcc)
VM_CC_powerpc64le := $(if $(filter powerpc64le,$(ISA)),gcc,powerpc64le-linux-gnu-gcc)
VM_CC_riscv64 := $(if $(filter riscv64,$(ISA)),gcc,riscv64-linux-gnu-gcc)
VM_CC_s390x   := $(if $(filter s390x,$(ISA)),gcc,s390x-linux-gnu-gcc)
# Where Debian has no such compiler, machine.py makes it: a wrapper of tests/arch/tools.sh.
VM_CC_loongarch64 := $(if $(filter loongarch64,$(ISA)),gcc,PATH=$(abspath $(NATIVE)/loongarch64/bin):$$PATH loongarch64-linux-gnu-gcc)
VM_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -g -static -no-pie -fno-pie -pthread -Icsrc/kernel/include/uapi
VM_SELFTESTS := $(wildcard tests/kernel/vm/selftests/*.c)
VM_HEADERS := $(wildcard tests/kernel/vm/selftests/*.h tests/kernel/vm/selftests/*/*.h tests/kernel/vm/*.h csrc/kernel/include/uapi/linux/*.h)

.PHONY: test-vm test-vm-debug vm-programs
vm-programs: $(foreach a,$(VM_ARCHES),vm-programs-$(a))

define vm_programs
.PHONY: vm-programs-$(1)
vm-programs-$(1): $(addprefix $(VM)/bin/$(1)/,init selftests fuzz $(VM_MORE_$(1)))
$(VM)/bin/$(1)/init: tests/support/init.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(VM_CC_$(1)) $$(VM_CFLAGS) -o $$@ $$<
$(VM)/bin/$(1)/selftests: $(VM_SELFTESTS) tests/kernel/vm/selftests/$(VM_ISA_$(1))/probe.S $(VM_HEADERS)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(VM_CC_$(1)) $$(VM_CFLAGS) -Itests/kernel/vm/selftests/$(VM_ISA_$(1)) -Itests/kernel/vm/selftests -o $$@ $$(filter %.c %.S,$$^)
$(VM)/bin/$(1)/fuzz: tests/kernel/vm/fuzz.c tests/kernel/vm/model.c $(patsubst %,tests/kernel/vm/selftests/%.c,check table bytes) tests/kernel/vm/selftests/$(VM_ISA_$(1))/probe.S $(VM_HEADERS)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(VM_CC_$(1)) $$(VM_CFLAGS) -Itests/kernel/vm/selftests/$(VM_ISA_$(1)) -Itests/kernel/vm/selftests -o $$@ $$(filter %.c %.S,$$^)
$(VM)/bin/$(1)/bench: tests/kernel/vm/bench.c $(wildcard csrc/base/*.[ch] csrc/tramp/*.[ch]) \
                      $(filter-out %/entry.S,$(wildcard csrc/arch/$(VM_ISA_$(1))/*.S)) $(VM_HEADERS)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(VM_CC_$(1)) $$(VM_CFLAGS) -O2 -Icsrc -Icsrc/arch/$(VM_ISA_$(1)) -o $$@ $$(filter %.c %.S,$$^)
endef
$(foreach a,$(VM_ARCHES),$(eval $(call vm_programs,$(a))))

# The selftests as 32-bit programs, which the same kernels run.
VM_CC32_x86_64 := i686-linux-gnu-gcc
VM_ISA32_x86_64 := i686
VM_LIBC32_x86_64 := libc6-dev-i386-cross
VM_CC32_arm64 := arm-linux-gnueabihf-gcc
VM_ISA32_arm64 := arm
VM_LIBC32_arm64 := libc6-dev-armhf-cross
define vm_programs32
$(VM)/bin/$(1)/selftests32: $(VM_SELFTESTS) tests/kernel/vm/selftests/$(VM_ISA32_$(1))/probe.S $(VM_HEADERS)
	@mkdir -p $$(@D)
	@printf '%s\n' "$$(VM_CC32_$(1))|gcc-$$(VM_CC32_$(1):-gcc=)|compiles 32-bit programs for the guest" \
	  "/usr/$$(VM_CC32_$(1):-gcc=)/include/stdio.h|$$(VM_LIBC32_$(1))|their C library" | .ci/need "make test-vm"
	$$(call say,CC)
	$$(Q)$$(VM_CC32_$(1)) $$(VM_CFLAGS) -s -D_FILE_OFFSET_BITS=64 -Itests/kernel/vm/selftests/$(VM_ISA32_$(1)) -Itests/kernel/vm/selftests -o $$@ $$(filter %.c %.S,$$^)
endef
$(eval $(call vm_programs32,x86_64))
$(eval $(call vm_programs32,arm64))

KERNEL ?=
ARCH   ?=
PARTS  ?=
test-vm: $(READY) ## [kernel] the module in emulated machines: KERNEL=6.1|6.12|newest ARCH=x86_64|arm64|ppc64el|riscv64|s390x|loong64 PARTS=abc
	@$(PY) -m tests.kernel.vm.run --build $(BUILD) $(KERNEL:%=--kernel %) $(ARCH:%=--arch %) $(PARTS:%=--parts %)
test-vm-debug: $(READY) ## [more kernel] the module on a kernel with KASAN, lockdep and kmemleak (built, 20 minutes)
	@$(PY) -m tests.kernel.vm.run --build $(BUILD) --kernel debug
