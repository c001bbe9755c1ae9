# SPDX-License-Identifier: MIT
# bad_days.mk - bad days of the patched libffi.so.8, with stock's and upstream's outcome beside
#
# One program, that loads the libffi it is given; the script runs each case on three of them. DOCS=
# leaves docs/results/libffi-bad-days.md as it is; ONLY="fork mdwe" chooses rows by their words.
DAYS_OBJS := $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(wildcard tests/libffi/bad_days/*.c)) \
             $(patsubst %,$(BUILD)/tests/support/%.o,harness days fs_maps seccomp)
.PHONY: libffi-bad-days tests-libffi-bad-days
tests-libffi-bad-days: $(BUILD)/tests/libffi/bad_days/days
-include $(wildcard $(BUILD)/tests/libffi/bad_days/*.d)

# Its functions come before the C library's (pages.c), so it exports them.
$(BUILD)/tests/libffi/bad_days/days: $(DAYS_OBJS)
	$(CC) -pthread -rdynamic -o $@ $^ -ldl -lm

libffi-bad-days: $(LIBFFI)/$(SUITE)/.built $(LIBFFI)/newest/.upstream venv tests-libffi-bad-days ## [more libffi] the table of docs/results/libffi-bad-days.md, again
	@$(PY) tests/libffi/bad_days/run.py --program $(BUILD)/tests/libffi/bad_days/days \
	  --patched $(LIBFFI)/$(SUITE)/lib --stock $(LIBFFI)/$(SUITE)/stock/lib \
	  --upstream $(LIBFFI)/newest/upstream/lib --out $(BUILD)/libffi-bad-days \
	  --base "patched and stock: $$(cat $(LIBFFI)/$(SUITE)/version); upstream: $$(cat $(LIBFFI)/newest/version)" \
	  $(if $(ONLY),--only $(ONLY),--docs docs/results/libffi-bad-days.md)
