# SPDX-License-Identifier: MIT
# soak.mk - eight threads that make, call and free closures for an hour; MINUTES=
MINUTES ?= 60
SOAK := $(BUILD)/tests/soak/rounds.so

$(SOAK): tests/soak/rounds.c $(LIB)/libffi_static.so.0
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -fPIC -shared -o $@ $< -L$(LIB) -l:libffi_static.so.0 -lffi \
	  -Wl,-rpath,'$$ORIGIN/../../lib'

.PHONY: soak tests-soak
tests-soak: $(SOAK)
soak: $(SOAK) $(PACKAGE) ## [slow] eight threads, four ways to make closures, forks; an hour, MINUTES=60
	$(PY) -m tests.soak $(SOAK) --minutes $(MINUTES)
