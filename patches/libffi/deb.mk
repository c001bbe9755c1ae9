# SPDX-License-Identifier: MIT
# deb.mk - recipes of patches/libffi/deb and rpm: Debian packages, the spec's fragment, a musl build
#
# For Debian's suites only (SUITE=bookworm|trixie): a release of upstream has no package. Everything
# is in build/libffi/<suite>/deb, in scratch roots made there, so root is needed. See
# docs/maintain/libffi-packages.md.
DEB_SCRIPTS := patches/libffi/deb
DEB_SUITES  := $(filter-out newest el9,$(SUITES))
CHECK ?=

.PHONY: deb deb-suite deb-again test-deb test-rpm test-musl
deb-suite:
	@test -n "$(filter $(SUITE),$(DEB_SUITES))" || \
	  { echo "make deb: no package for SUITE '$(SUITE)'; there are: $(DEB_SUITES)" >&2; exit 2; }
$(LIBFFI)/%/deb/.built: $(LIBFFI)/%/version $(LIBFFI_SERIES) $(wildcard $(DEB_SCRIPTS)/*) \
                          $(if $(CHECK),deb-again) # or CHECK=1 would find the packages made, and not test
	@CHECK="$(CHECK)" bash $(DEB_SCRIPTS)/build.sh $(LIBFFI)/$* $(@D)
	@touch $@

deb: deb-suite $(LIBFFI)/$(SUITE)/deb/.built ## [libffi] Debian packages of the patched libffi: SUITE=bookworm|trixie CHECK=1
test-deb: deb ## [more libffi] packages against stock's (lintian, ABI), installed and used in a scratch root
	@bash $(DEB_SCRIPTS)/compare.sh $(LIBFFI)/$(SUITE) $(LIBFFI)/$(SUITE)/deb
	@bash $(DEB_SCRIPTS)/try.sh $(LIBFFI)/$(SUITE) $(LIBFFI)/$(SUITE)/deb
test-rpm: $(LIBFFI)/$(SUITE)/version ## [more libffi] the spec's fragment: rpmspec, rpmlint, %prep run
	@bash patches/libffi/rpm/check.sh $(LIBFFI)/$(SUITE) $(LIBFFI)/$(SUITE)/rpm
test-musl: $(LIBFFI)/$(SUITE)/version ## [more libffi] patched and stock libffi by musl-gcc, closure tests
	@bash tests/libffi/packages/musl.sh $(LIBFFI)/$(SUITE) $(LIBFFI)/$(SUITE)/musl
