# SPDX-License-Identifier: MIT
# wheels.mk - recipes for what others install: the sdist, and wheels for other systems
#
# Nothing is published yet. RELEASING.md says what is to be done for a release.
DIST := dist
DIST_VERSIONS = $(shell sed -n 's/^VERSIONS = (\(.*\))/\1/p' tests/python/noxfile.py | tr -d '",')
DIST_TOOLS := $(NATIVE)/wheels/tools
DIST_PY := $(DIST_TOOLS)/bin/python

.PHONY: dist wheels
$(DIST_TOOLS)/.ready: requirements/wheels.txt | $(SYSTEM)
	@mkdir -p $(@D)
	@test -x $(DIST_PY) || $(PYTHON) -m venv $(DIST_TOOLS)
	@$(DIST_PY) $(PIP) install -q -r requirements/wheels.txt
	@touch $@

# pyroma: no URL and no e-mail can be named, because nothing is published.
dist: $(DIST_TOOLS)/.ready ## [check] the sdist, in dist/, checked by twine and pyroma
	@$(DIST_PY) -m build -q --sdist --outdir $(DIST) .
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
	  $(DIST_PY) csrc/py/repack.py $(DIST)/ffi_static-$(VERSION).tar.gz
	@$(DIST_PY) -m twine check --strict $(DIST)/*.tar.gz
	@$(DIST_TOOLS)/bin/pyroma --min 10 --skip-tests Url,AuthorEmail .

wheels: $(DIST_TOOLS)/.ready $(READY) $(LIBFFI)/newest/version ## [slow] manylinux and musllinux wheels, in dist/, without containers: ONLY='3.13 aarch64'
	@$(DIST_PY) csrc/py/wheels.py --build $(NATIVE) --out $(DIST) \
	  --libffi "$(abspath $(LIBFFI)/newest/source)" $(ONLY)

release: $(DIST_TOOLS)/.ready $(READY) $(LIBFFI)/newest/version ## [slow] every artefact in dist/, made twice and compared, SBOM, checksums: PARTS='sdist wheels deb'
	@ONLY="$(ONLY)" bash packaging/release.sh $(DIST) $(PARTS)

.PHONY: test-wheels release
test-wheels: $(READY) ## [slow] the Python tests on the wheels in dist/, without this checkout: ONLY='3.9 3.13t musl'
	@$(PY) -m nox -f tests/python/noxfile.py -s $(addprefix wheel-,$(or $(ONLY),$(DIST_VERSIONS)))
