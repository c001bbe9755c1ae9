# SPDX-License-Identifier: MIT
# kmod.mk - recipes of csrc/kernel: the module for one Debian kernel, its lint, the in-tree patch
#
# KERNEL chooses 6.1 (bookworm; the default), 6.12 (bookworm-backports) or newest (unstable; as root), ARCH x86_64
# or arm64; ppc64el, riscv64 or s390x with KERNEL 6.12 (trixie) or newest, loong64 with newest, as root. Nothing is installed but, as root, compilers: headers are unpacked below build/kmod.
KMOD   := $(BUILD)/kmod
KMOD_SOURCES := $(wildcard csrc/kernel/*.[ch]) csrc/kernel/Kbuild $(wildcard csrc/kernel/*.sh) \
                csrc/kernel/include/uapi/linux/trampfd.h

.PHONY: kmod kmod-all install-dkms lint-kmod patch-linux test-linux-patch \
        test-kmod-selinux

kmod: $(KMOD)/$(or $(KERNEL),6.1)-$(or $(ARCH),x86_64)/trampfd.ko ## [kernel] the trampfd kernel module: KERNEL=6.1|6.12|newest ARCH=x86_64|arm64|ppc64el|riscv64|s390x|loong64
kmod-all: $(foreach k,6.1-x86_64 6.12-x86_64 newest-x86_64 6.1-arm64 6.12-arm64 newest-arm64 6.12-ppc64el 6.12-riscv64 6.12-s390x newest-loong64,$(KMOD)/$(k)/trampfd.ko)

$(KMOD)/%/trampfd.ko: $(KMOD_SOURCES)
	@sh csrc/kernel/build.sh $(firstword $(subst -, ,$*)) $(patsubst $(firstword $(subst -, ,$*))-%,%,$*)

DKMSDIR = $(DESTDIR)/usr/src/trampfd-$(VERSION)
install-dkms: ## [more kernel] the module's sources where DKMS looks for them; DESTDIR=
	install -d "$(DKMSDIR)/include/uapi/linux"
	install -m 644 csrc/kernel/*.[ch] csrc/kernel/Kbuild "$(DKMSDIR)/"
	install -m 644 csrc/kernel/include/uapi/linux/trampfd.h "$(DKMSDIR)/include/uapi/linux/"
	$(FILL) csrc/kernel/dkms.conf.in >"$(DKMSDIR)/dkms.conf"
	chmod 644 "$(DKMSDIR)/dkms.conf"

lint-kmod: ## [more kernel] sparse and checkpatch over the kernel module
	@sh csrc/kernel/lint.sh

patch-linux: ## [more kernel] patches/linux, again from csrc/kernel
	@$(NEED_PYTHON)
	@$(PYTHON) patches/linux/refresh.py
test-linux-patch: ## [more kernel] applies patches/linux to Debian's linux-source and compiles the driver there
	@sh patches/linux/build.sh

test-kmod-selinux: $(READY) ## [more kernel] boots KERNEL under SELinux without execmem, where tables must work
	@$(PY) -m tests.kernel.selinux $(or $(KERNEL),6.1)
