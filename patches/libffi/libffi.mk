# SPDX-License-Identifier: MIT
# libffi.mk - recipes of patches/libffi: the patched libffi, its testsuite, its benchmark
#
# SUITE chooses the base: bookworm, trixie (Debian's own source packages), newest (upstream's
# latest release, as Debian's unstable carries it) or el9 (Enterprise Linux 9's). Everything is under build/libffi/<suite>.
LIBFFI  := $(NATIVE)/libffi
LIBFFI_RECIPES := patches/libffi/build.sh
LIBFFI_SERIES  := $(wildcard patches/libffi/*.patch patches/libffi/series.*)

.PHONY: libffi libffi-all libffi-refresh test-libffi bench-libffi
.SECONDARY: $(foreach f,version .patched .stock .asan .clang .cet,$(SUITES:%=$(LIBFFI)/%/$(f)))

libffi: $(if $(filter $(SUITE),$(SUITES)),$(LIBFFI)/$(SUITE)/.built,libffi-what) ## [libffi] patched libffi.so.8: SUITE=bookworm|trixie|newest|el9
	@echo "Patched libffi $$(cat $(LIBFFI)/$(SUITE)/version): $(LIBFFI)/$(SUITE)/lib/libffi.so.8"
libffi-what:
	@echo "make libffi: no SUITE '$(SUITE)'; there are: $(SUITES)" >&2; exit 2
libffi-all: $(SUITES:%=$(LIBFFI)/%/.built)

$(LIBFFI)/.packages: patches/libffi/packages.sh
	@mkdir -p $(@D)
	@sh patches/libffi/packages.sh
	@touch $@
$(LIBFFI)/%/version: patches/libffi/source.sh | $(LIBFFI)/.packages
	@sh patches/libffi/source.sh $* $(LIBFFI)/$*
$(LIBFFI)/%/.patched: $(LIBFFI)/%/version $(LIBFFI_RECIPES) $(LIBFFI_SERIES)
	@bash patches/libffi/build.sh $(@D) patched
	@touch $@
$(LIBFFI)/%/.stock: $(LIBFFI)/%/version $(LIBFFI_RECIPES)
	@bash patches/libffi/build.sh $(@D) stock
	@touch $@
$(LIBFFI)/%/.upstream: $(LIBFFI)/%/version $(LIBFFI_RECIPES)
	@bash patches/libffi/build.sh $(@D) upstream
	@touch $@
# Other builds of the patched tree, which only the testsuite uses.
$(LIBFFI)/%/.asan: $(LIBFFI)/%/.patched
	@bash patches/libffi/build.sh $(@D) asan
	@touch $@
$(LIBFFI)/%/.clang: $(LIBFFI)/%/.patched
	@bash patches/libffi/build.sh $(@D) clang
	@touch $@
$(LIBFFI)/%/.cet: $(LIBFFI)/%/.patched
	@bash patches/libffi/build.sh $(@D) cet
	@touch $@

$(LIBFFI)/newest/.built: $(LIBFFI)/newest/.upstream
$(LIBFFI)/%/.built: $(LIBFFI)/%/.patched $(LIBFFI)/%/.stock
	@touch $@

libffi-refresh: ## [more libffi] the generated part of the libffi series, again from csrc
	@$(NEED_PYTHON)
	@$(PYTHON) patches/libffi/refresh.py

# ---- upstream's testsuite: minutes; FULL=1 at every optimisation level, AGAIN=1 without reuse,
# ---- STOCK=1 only stock's runs, which no change of csrc makes stale; DOCS=1 the table of
# docs/results/libffi.md

FULL  ?=
STOCK ?=
AGAIN ?=
TEST_SUITES ?= $(SUITES)
$(LIBFFI)/deny: tests/libffi/deny.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 $(WARN) -O2 -o $@ $<
TEST_BUILDS := $(foreach v,asan clang cet,$(LIBFFI)/$(firstword $(TEST_SUITES))/.$(v))
TEST_LIBFFI = $(PY) tests/libffi/suite.py --libffi $(LIBFFI) $(if $(FULL),--full) $(if $(AGAIN),--again) \
  --jobs $(JOBS) $(if $(DOCS),--docs docs/results/libffi.md) --suites $(subst $(space),$(comma),$(strip $(TEST_SUITES)))
ifdef STOCK
test-libffi: $(TEST_SUITES:%=$(LIBFFI)/%/.stock) $(LIBFFI)/deny
	@$(TEST_LIBFFI) --stock
else
test-libffi: $(TEST_SUITES:%=$(LIBFFI)/%/.built) $(TEST_BUILDS) $(LIBFFI)/deny venv ## [libffi] upstream's testsuite on stock and patched (FULL=1)
	@$(PYTEST) -q tests/libffi/test_libffi.py
	@$(TEST_LIBFFI)
endif

# ---- the patches that are upstream's to take, each alone: ONLY='1 4', ISA=aarch64, FULL=1
.PHONY: test-upstream
test-upstream: $(NATIVE)/libffi/newest/version $(CROSS_TOOLS) $(READY) ## [more libffi] upstream's testsuite after each patch for it: ONLY='1 all', ISA=aarch64
	@$(PYTEST) -q tests/libffi/test_libffi.py -k of_upstream
	@$(PY) -m tests.libffi.upstream --build $(NATIVE) --arch $(ISA) $(if $(ONLY),--only $(ONLY)) $(if $(FULL),--full)

# ---- the benchmark: `make bench` has them as rivals, bench-libffi measures nothing else

LIBFFI_PYTHON ?= $(PYTHON)
.PHONY: libffi-rivals
libffi-rivals: $(LIBFFI)/$(SUITE)/.built $(LIBFFI)/newest/.upstream
bench-libffi: libffi-rivals lib bench-c ## [more measure] the patched libffi against stock, upstream and ours
	@$(PYTHON) bench/libffi.py --build $(BUILD) --suite $(SUITE) --python $(LIBFFI_PYTHON) \
	  $(if $(DOCS),--docs docs/results/libffi.md) $(BENCH_ARGS)
