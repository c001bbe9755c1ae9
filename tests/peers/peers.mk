# SPDX-License-Identifier: MIT
# peers.mk - the own suites of ctypes and cffi, and packages from PyPI, with and without the drop-in
#
# Hours for everything; runs that are there already are kept in build/peers. `make test` runs the
# short form (tests/peers/test_peers.py).
#   make test-peers ONLY='ctypes|test_c'    suites by their names

.PHONY: test-peers
test-peers: $(READY) $(PACKAGE) ## [slow] ctypes' and cffi's own tests on every Python here, stock and with the drop-in
	@sh tests/peers/needs.sh
	@$(PY) -m tests.peers both --only '$(ONLY)'

.PHONY: test-cffi-patch
test-cffi-patch: $(READY) $(PACKAGE) $(LIBFFI)/$(SUITE)/.built ## [slow] patches/cffi: cffi's own tests and a fork, on the patched libffi: ONLY='test_c-2.0.0'
	@$(PY) -m tests.peers.patched $(LIBFFI)/$(SUITE) --only '$(ONLY)'

.PHONY: test-peers-selinux
test-peers-selinux: $(READY) $(PACKAGE) ## [more slow] ctypes and cffi under SELinux without execmem, in an emulated machine
	@$(PY) -m tests.peers.selinux
