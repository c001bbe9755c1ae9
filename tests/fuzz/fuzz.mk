# SPDX-License-Identifier: MIT
# fuzz.mk - random signatures through our closures, checked bit for bit; SEED=, COUNT= choose
#
# `make test` runs 2,000 of a fixed seed (tests/fuzz/test_fuzz.py); this is the long form.
SEED  ?= 1
COUNT ?= 100000

.PHONY: fuzz
fuzz: lib ## [slow] 100,000 random signatures (SEED=1 COUNT=100000)
	$(PYTHON) -m tests.fuzz --seed $(SEED) --count $(COUNT) --lib $(LIB)
