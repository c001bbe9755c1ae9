# SPDX-License-Identifier: MIT
# verified.mk - callbacks where only verified code runs, in an emulated machine; docs/results/verified.md
.PHONY: test-verified
test-verified: $(READY) $(LIBFFI)/trixie/.patched vm-programs-x86_64 ## [more slow] a system that verifies all code: SELinux, IMA, trampfd; each way around refused (root)
	@sh csrc/kernel/packages.sh headers 6.12 x86_64 >/dev/null
	@$(MAKE) -s kmod KERNEL=6.12 ARCH=x86_64
	@$(PY) -m tests.verified.run $(BUILD)
