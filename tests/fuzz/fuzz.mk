# SPDX-License-Identifier: MIT
# fuzz.mk - random signatures through our closures, checked bit for bit; SEED=, COUNT= choose
#
# `make test` runs 2,000 of a fixed seed (tests/fuzz/test_fuzz.py); this is the long form. It keeps
# in $(BUILD)/fuzz.<seed> how many it has done, so one that was interrupted goes on, and COUNT=1000000
# can be done in parts. To begin again, remove that file.
SEED  ?= 1
COUNT ?= 100000

.PHONY: fuzz
fuzz: $(READY) lib ## [slow] 100,000 random signatures (SEED=1 COUNT=100000)
	$(PY) -m tests.fuzz --seed $(SEED) --count $(COUNT) --lib $(LIB) --state $(BUILD)/fuzz.$(SEED)
