# SPDX-License-Identifier: MIT
# gcc.mk - libgcc with nested functions from static trampolines: the patches, built and tried
.PHONY: libgcc-refresh test-libgcc
libgcc-refresh: ## [more libffi] the generated part of the libgcc series, again from csrc
	@$(NEED_PYTHON)
	@$(PYTHON) patches/gcc/refresh.py
test-libgcc: ## [slow] libgcc of GCC 14 with and without patches/gcc: GCC's own tests, in a root of its own
	@bash patches/gcc/build.sh $(BUILD)
	@bash tests/nested/gcc/root.sh $(BUILD) --libgcc
