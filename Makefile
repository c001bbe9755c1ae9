# SPDX-License-Identifier: MIT
# Makefile - `make bench` and `make test` do all the set-up; `make help` lists the rest
#
# Everything built goes to $(BUILD), the Python environment to .venv; nothing else is touched.
# Stamp files make a second run quick. Rooms with recipes of their own are included at the end.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

BUILD  ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
PYTHON ?= python3
VERSION := $(shell sed -n 's/^\#define FFI_STATIC_VERSION_[A-Z]* //p' csrc/include/ffi_static.h | paste -sd.)

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
# What is of this machine whatever is built: CC's architecture, sources, stamps.
NATIVE_CC := $(CC)
NATIVE_ISA := $(shell sh csrc/arch/isa.sh $(CC) $(filter -m%,$(CFLAGS)))
NATIVE  := $(BUILD)
ifeq ($(origin ISA),undefined)
ISA     := $(NATIVE_ISA)
endif
ifneq ($(ISA),$(NATIVE_ISA))
include tests/arch/cross.mk # ISA=aarch64: its compiler is CC, and BUILD is build/aarch64
endif
# The folder of csrc/arch. An ISA may be a variant of another one: armel is arm without VFP registers.
FOLDER  := $(or $(ARCH_FOLDER_$(ISA)),$(ISA))
-include csrc/arch/$(FOLDER)/link.mk # may set ARCH_CFLAGS and ARCH_LDFLAGS
CFLAGS  ?= -O2 -g
# A warning of a compiler that we have not tried ends our own runs, and no packager's.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
WARN    := $(WARNINGS) -Werror
test test-quick test-asan: export WERROR := -Werror
FS_CFLAGS := -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden -pthread $(ARCH_CFLAGS) \
             -Icsrc -Icsrc/include -Icsrc/arch/$(FOLDER) $(CPPFLAGS) $(CFLAGS)
# Sorted, so that all small variables share the page or two that the start of a program has touched:
# each further page costs the first closure a fault, or two where it is read before it is written.
# Not every linker can sort: gold refuses the option.
SORT    = $(shell $(CC) $(LDFLAGS) -Wl,--sort-section=alignment,--version >/dev/null 2>&1 && echo -Wl,--sort-section=alignment)
LINK    = $(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -Wl,-z,relro,-z,now,-z,noexecstack $(SORT)
FILL    = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
            -e 's|@VERSION@|$(VERSION)|'

ROOMS   := $(patsubst arch,arch/$(FOLDER),$(shell sed -n 's/^\([a-z]*\) .*\blib\b.*/\1/p' csrc/rooms.txt))
SRCS    := $(foreach r,$(ROOMS),$(wildcard csrc/$(r)/*.c csrc/$(r)/*.S))
OBJS    := $(patsubst csrc/%,$(BUILD)/obj/%.o,$(SRCS))
LIB     := $(BUILD)/lib
# Why closures do not run there; empty where they do.
CANNOT  := $(shell sh csrc/arch/runs.sh $(FOLDER))

# What the library alone is enough for.
LIB_GOALS := all lib install nested

# The environment. PY is what every recipe runs; `setup` is what a fresh machine lacks. The library
# needs a compiler and libffi's header alone.
VENV    := .venv
PY      := $(VENV)/bin/python
COMPILER := $(NATIVE)/.compiler
SYSTEM  := $(NATIVE)/.system
GROUND  := $(or $(CROSS_GROUND),$(SYSTEM))
LIB_GROUND := $(or $(CROSS_GROUND),$(COMPILER))
READY   := $(VENV)/.ready
PACKAGE := $(NATIVE)/.package
# For recipes that need an interpreter and nothing else.
NEED_PYTHON = echo '$(PYTHON)|python3|runs the recipe' | sh .ci/need "make $@"
PIP     := -m pip --disable-pip-version-check --no-input
PYTEST  := $(PY) -m pytest
JOBS    ?= 2

# Releases whose libffi has a series; `newest` is upstream's, as Debian's unstable has it, and `el9`
# what Enterprise Linux 9 has.
SUITES  := bookworm trixie newest el9
SUITE   ?= bookworm
# What a slow target is to do of its whole: words of the names, each target says of which.
ONLY    ?=
DOCS    ?=

comma   := ,
empty   :=
space   := $(empty) $(empty)

# V=1 shows the commands themselves; -s nothing.
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(Q),$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,@echo "  $(1)  $@"))

.PHONY: all help setup venv package lib install test test-quick test-asan test-py-all \
        test-clean-root test-targets docs lint lint-ruff lint-types lint-stubs lint-sdist lint-hosted lint-c format readme clean
all: lib

# A target's line is `name: ... ## [group] what it does`, or `[more group]` for one that help shows
# with ALL=1 only. A group's lines stand together.
HELP_GROUPS := start check measure libffi kernel slow
ALL ?=
help: ## [start] these lines; ALL=1 shows every target
	@for group in $(HELP_GROUPS); do \
	  echo "$$group"; \
	  sed -e ':joined' -e '/\\$$/{N;s/\\\n//;b joined' -e '}' $(MAKEFILE_LIST) | \
	  sed -nE "s/^([a-z][a-z-]*):.*## \[$(if $(ALL),(more )?,())$$group\] (.*)/  \1\t\3/p" | expand -t 22; \
	done

# ---- the ground: system packages, environment, library, package

setup: $(SYSTEM) $(READY) ## [start] system packages and .venv, as far as they are missing
venv: $(READY) ## [more start] the private Python environment in .venv
package: $(PACKAGE) ## [start] the Python package, built into .venv
lib: $(LIB)/libffi_static.a $(LIB)/libffi_static.so.0 ## [start] the C library, in build/lib; ISA=aarch64: for that machine, in build/aarch64/lib

$(COMPILER): .ci/packages
	@mkdir -p $(@D)
	@CC="$(NATIVE_CC)" PYTHON="$(PYTHON)" sh .ci/packages $(if $(filter-out $(LIB_GOALS),$(MAKECMDGOALS)),,--lib)
	@touch $@
$(SYSTEM): .ci/packages | $(COMPILER)
	@CC="$(NATIVE_CC)" PYTHON="$(PYTHON)" sh .ci/packages
	@touch $@

$(READY): requirements/build.txt requirements/dev.txt | $(SYSTEM)
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 9), "Python 3.9 or later, please: make PYTHON=..."'
	@echo "Setting up $(VENV) (Python packages of requirements/dev.txt) ..."
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) $(PIP) install -q -r requirements/dev.txt
	@touch $@

# Editable, so that Python changes need no step; the extension is made again when C changed.
$(PACKAGE): $(READY) setup.py pyproject.toml $(wildcard ffi_static*.*) csrc/py/extension.py \
            $(wildcard csrc/*/*.[chS] csrc/*/*/*.[chS])
	@mkdir -p $(@D)
	@echo "Building the Python package ..."
	@$(PY) $(PIP) install -q --no-build-isolation --no-deps -e .
	@touch $@

$(BUILD)/obj/%.c.o: csrc/%.c | $(LIB_GROUND)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(FS_CFLAGS) $(WERROR) -MMD -MP -c $< -o $@
$(BUILD)/obj/%.S.o: csrc/%.S | $(LIB_GROUND)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(FS_CFLAGS) $(WERROR) -MMD -MP -c $< -o $@
-include $(OBJS:.o=.d)

ifneq ($(CANNOT),)
.PHONY: cannot
cannot:
	@echo "$(CANNOT)" >&2; exit 2
$(LIB)/libffi_static.a $(LIB)/libffi_static.so.0: cannot
else
$(LIB)/libffi_static.a: $(OBJS)
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(LIB)/libffi_static.so.0: $(OBJS) csrc/libffi_static.map $(wildcard csrc/arch/$(FOLDER)/link.mk)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(LINK) -Wl,-soname,libffi_static.so.0 -Wl,--version-script=csrc/libffi_static.map \
	  $(ARCH_LDFLAGS) -o $@ $(OBJS)
	$(Q)ln -sf libffi_static.so.0 $(LIB)/libffi_static.so
endif

CMAKEDIR = $(LIBDIR)/cmake/ffi_static
WORD = $(shell $(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -x c /dev/null | sed -n 's/.* __SIZEOF_POINTER__ //p')
install: lib ## [start] header, libraries, pkg-config and CMake files: PREFIX=/usr/local LIBDIR= INCLUDEDIR= DESTDIR=
	install -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(CMAKEDIR)"
	install -m 644 csrc/include/ffi_static.h "$(DESTDIR)$(INCLUDEDIR)/"
	install -m 644 $(LIB)/libffi_static.a "$(DESTDIR)$(LIBDIR)/"
	install -m 755 $(LIB)/libffi_static.so.0 "$(DESTDIR)$(LIBDIR)/"
	ln -sf libffi_static.so.0 "$(DESTDIR)$(LIBDIR)/libffi_static.so"
	$(FILL) csrc/libffi_static.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/libffi_static.pc"
	$(FILL) csrc/ffi_static-config.cmake.in >"$(DESTDIR)$(CMAKEDIR)/ffi_static-config.cmake"
	$(FILL) -e 's|@WORD@|$(WORD)|' csrc/ffi_static-config-version.cmake.in >"$(DESTDIR)$(CMAKEDIR)/ffi_static-config-version.cmake"
	chmod 644 "$(DESTDIR)$(LIBDIR)/pkgconfig/libffi_static.pc" "$(DESTDIR)$(CMAKEDIR)"/*.cmake # whatever umask says

# ---- tests

# What tests would build themselves is built before them, so that two at a time do not collide.
TEST_PROGRAMS := tests-c tests-bad-days tests-abi tests-debug tests-asan tests-tsan tests-nested bench-c
test: setup lib package ## [check] everything: C, Python, bad days, lint, both compilers
	@$(MAKE) --no-print-directory -s -j$(JOBS) $(TEST_PROGRAMS) tests-elsewhere
	$(PYTEST) tests -n $(JOBS)

test-quick: setup lib package ## [check] without the tests marked slow
	@$(MAKE) --no-print-directory -s -j$(JOBS) $(TEST_PROGRAMS)
	$(PYTEST) tests -m "not slow" -n $(JOBS)

test-asan: setup lib ## [check] the C tests under the address and undefined behaviour sanitizers
	$(PYTEST) tests/core/test_core.py tests/core/test_instrumented.py -k asan

test-py-all: setup lib ## [slow] the Python tests on every CPython 3.9-3.15, 3.13t: ONLY='3.9 3.13t'
	@$(PY) -m nox -f tests/python/noxfile.py $(if $(ONLY),-s $(ONLY:%=tests-%))

docs: $(PACKAGE) ## [more measure] the site, build/docs/html/index.html, and the manual pages, build/docs/man
	@$(PY) $(PIP) install -q -r requirements/docs.txt
	@for to in html man; do $(PY) -m sphinx -q -E -W --keep-going -c docs -b $$to -d $(BUILD)/docs/trees . $(BUILD)/docs/$$to; done
	@echo '<meta http-equiv="refresh" content="0; url=docs/index.html">' >$(BUILD)/docs/html/index.html
readme: $(READY) ## [measure] the last benchmark's tables into README.md and docs/results/benchmarks.md
	@$(PY) bench/report.py --out $(BUILD)/bench --readme README.md \
	  --results docs/results/benchmarks.md

test-clean-root: ## [more slow] `make test` and `make bench` in a fresh Debian root (needs root): ONLY='lib docs'
	@bash tests/house/clean_root.sh $(ONLY)
test-targets: $(READY) ## [more slow] every target in a Debian root that has nothing: ONLY='lib docs' SUITE=trixie USER_ONLY=1
	@$(PY) -m tests.house.targets --suite $(SUITE) $(if $(USER_ONLY),--user) $(ONLY)

# ---- lint: the same commands that tests/house/test_lint.py runs

CFILES = $(shell find csrc tests bench examples -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp')

lint: lint-ruff lint-types lint-stubs lint-sdist lint-hosted lint-c ## [check] ruff, mypy strict, pyright, sdist, workflows, clang-format
lint-ruff: $(READY)
	@$(PY) -m ruff check -q . && $(PY) -m ruff format -q --check .
lint-types: $(READY)
	@$(PY) -m mypy
# Stubs against the built module; and that no public name is left for a type checker to guess.
lint-stubs: $(PACKAGE)
	@$(PY) -m mypy.stubtest ffi_static._lib >$(NATIVE)/.stubs 2>&1 || { cat $(NATIVE)/.stubs; exit 1; }
	@PYTHONPATH=. $(VENV)/bin/basedpyright --pythonpath $(PY) --ignoreexternal \
	  --verifytypes ffi_static >$(NATIVE)/.stubs 2>&1 || { cat $(NATIVE)/.stubs; exit 1; }
lint-hosted: $(READY) # workflows and forms of a hosted CI; of an sdist they are no part
	@test ! -e .github || $(VENV)/bin/zizmor -q --offline --no-progress .github >/dev/null || \
	  $(VENV)/bin/zizmor --offline --no-progress .github
	@test ! -e .github || $(VENV)/bin/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*
	@test ! -e .github || $(VENV)/bin/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*
# The sdist has what git has.
lint-sdist: $(READY)
	@test ! -e .git || $(VENV)/bin/check-sdist --no-isolation >$(NATIVE)/.sdist 2>&1 || \
	  { cat $(NATIVE)/.sdist; exit 1; }
lint-c: $(READY)
	@$(VENV)/bin/clang-format --dry-run -Werror $(CFILES)
format: $(READY) ## [check] let ruff and clang-format rewrite what they can
	@$(PY) -m ruff check -q --fix-only . ; $(PY) -m ruff format -q .
	@$(VENV)/bin/clang-format -i $(CFILES)

clean: ## [start] remove what was built (keeps .venv)
	rm -rf $(BUILD) ffi_static/*.so

# ---- rooms with recipes of their own
-include csrc/nested/nested.mk
-include tests/core/core.mk
-include tests/nested/nested.mk
-include tests/arch/arch.mk tests/fuzz/fuzz.mk tests/unwind/unwind.mk tests/soak/soak.mk
-include patches/libffi/libffi.mk # before bench.mk: it names rivals
-include patches/libffi/deb.mk
-include patches/gcc/gcc.mk
-include csrc/py/wheels.mk # after libffi.mk: wheels have libffi inside
-include tests/libffi/clients.mk tests/libffi/bad_days.mk
-include tests/peers/peers.mk
-include packaging/packaging.mk
-include csrc/kernel/kmod.mk
-include tests/kernel/vm.mk
-include tests/cfi/cfi.mk
-include tests/verified/verified.mk # after libffi.mk
-include bench/bench.mk
