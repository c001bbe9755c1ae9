# SPDX-License-Identifier: MIT
# clients.mk - real programs on the patched libffi.so.8, stock's outcome beside
#
# ONLY="ctypes guile" chooses; DOCS=1 writes the table into docs/results/libffi-clients.md.
.PHONY: test-clients
test-clients: $(LIBFFI)/$(SUITE)/.built $(LIBFFI)/newest/.upstream package ## [libffi] Python, Ruby, GObject, Guile, PHP on the patched libffi
	@$(PY) tests/libffi/clients/run.py --out $(BUILD)/clients \
	  --patched $(LIBFFI)/$(SUITE)/lib --stock $(LIBFFI)/$(SUITE)/stock/lib \
	  --upstream $(LIBFFI)/newest/upstream/lib \
	  --base "patched and stock: $$(cat $(LIBFFI)/$(SUITE)/version); upstream: $$(cat $(LIBFFI)/newest/version)" \
	  $(if $(ONLY),--only $(ONLY)) $(if $(DOCS),--docs docs/results/libffi-clients.md)
