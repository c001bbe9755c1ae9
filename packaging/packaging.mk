# SPDX-License-Identifier: MIT
# packaging.mk - packages of ffi_static itself: built, installed, used and removed in scratch roots
#
# The version comes from the header: files that end in .in have @VERSION@. The roots are those of
# patches/libffi/deb, so root is needed. packaging/README.md says what is there.
PACKAGING := $(NATIVE)/packaging
RECIPES := alpine/APKBUILD arch/PKGBUILD conda/meta.yaml rpm/ffi_static.spec

.PHONY: package-deb package-rpm package-pacman package-recipes package-source
package-source: $(PACKAGING)/ffi_static-$(VERSION).tar.gz ## [more slow] the source that all packages are built from
$(PACKAGING)/ffi_static-$(VERSION).tar.gz: FORCE
	@bash packaging/source.sh $@
FORCE:
package-deb: package-source ## [slow] Debian packages, built, installed, used, removed: SUITE=bookworm|trixie|sid
	@bash packaging/deb.sh $(PACKAGING) $(SUITE) $(VERSION)
package-rpm: package-source package-recipes ## [slow] RPM packages, built, installed, used, removed
	@bash packaging/rpm.sh $(PACKAGING) $(VERSION)
package-pacman: package-source package-recipes ## [more slow] Arch's packages by Debian's makepkg, built, installed, used, removed
	@bash packaging/pacman.sh $(PACKAGING) $(VERSION)
package-recipes: ## [more slow] the recipes of Alpine, Arch, conda and RPM, with the version filled in
	@mkdir -p $(PACKAGING)
	@for recipe in $(RECIPES); do $(FILL) packaging/$$recipe.in >$(PACKAGING)/$${recipe##*/}; done
	@cp packaging/conda/*.sh $(PACKAGING)/
