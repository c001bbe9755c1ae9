# SPDX-License-Identifier: MIT
# clients.mk - real programs on the patched libffi.so.8, stock's outcome beside
#
# CLIENTS="ctypes guile" chooses; DOCS=1 writes the table into docs/libffi-clients.md.
CLIENTS ?=
DOCS    ?=
.PHONY: test-clients
test-clients: $(LIBFFI)/$(SUITE)/.built $(LIBFFI)/newest/.upstream package ## Python, Ruby, GObject, Guile, PHP on the patched libffi
	@$(PY) tests/clients/run.py --out $(BUILD)/clients \
	  --patched $(LIBFFI)/$(SUITE)/lib --stock $(LIBFFI)/$(SUITE)/stock/lib \
	  --upstream $(LIBFFI)/newest/upstream/lib \
	  --base "patched and stock: $$(cat $(LIBFFI)/$(SUITE)/version); upstream: $$(cat $(LIBFFI)/newest/version)" \
	  $(if $(CLIENTS),--only $(CLIENTS)) $(if $(DOCS),--docs docs/libffi-clients.md)
