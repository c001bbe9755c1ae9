# SPDX-License-Identifier: MIT
# cfi.mk - closures where the processor, or its emulator, enforces control-flow integrity
#
# Everything runs in roots of Debian's that root.sh makes; docs/results/cfi.md has what came out.
.PHONY: test-cet test-cfi
test-cfi: $(if $(CROSS),test-cfi-$(ISA),test-cet test-cfi-aarch64 test-cfi-riscv64) ## [more slow] enforced CET, BTI, PAC, GCS, Zicfilp, Zicfiss: calls, and planted mistakes; ISA=riscv64
test-cet: $(LIBFFI)/trixie/.cet $(LIBFFI)/newest/.cet $(NATIVE)/kmod/6.12-x86_64/trampfd.ko ## [more slow] x86-64's of these: shadow stacks and IBT in Bochs (root)
	@sh csrc/kernel/packages.sh image 6.12 x86_64 >/dev/null
	@bash tests/cfi/root.sh $(NATIVE) x86_64
.PHONY: test-cfi-aarch64 test-cfi-riscv64
test-cfi-aarch64: $(LIBFFI)/newest/version
	@bash tests/cfi/root.sh $(NATIVE) aarch64
test-cfi-riscv64: $(LIBFFI)/newest/version
	@sh csrc/kernel/packages.sh image newest riscv64 >/dev/null
	@bash tests/cfi/root.sh $(NATIVE) riscv64
