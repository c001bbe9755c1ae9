# SPDX-License-Identifier: MIT
# bench.mk - recipes of bench/: `make bench` measures everything and writes build/bench/report.md
#
# The patched libffi of SUITE, its stock and upstream's static trampolines are rivals, too: they are
# built once (two minutes; Debian's sources through apt). Where that fails, or with BENCH_LIBFFI=no,
# the report says that they were not measured. BENCH_LIBS="name=path ..." adds more.
BENCH_LIBS  ?=
BENCH_LIBFFI ?= yes
BENCH_ARGS  ?=
BENCH_OUT   := $(BUILD)/bench
BENCH_OBJS  := $(patsubst bench/c/%.c,$(BENCH_OUT)/obj/%.o,$(wildcard bench/c/*.c))
# -falign-functions: every rival's C code starts at a cache line, so that none is lucky.
# -fno-ipa-icf: two functions with the same body stay two (gcc).
BENCH_CFLAGS := -std=gnu11 $(WARN) -O2 -g -falign-functions=64 -Icsrc/include \
                $(if $(findstring clang,$(CC)),,-fno-ipa-icf)

BENCH_RUN = $(PY) bench/run.py --build $(BUILD) --suite $(SUITE) --ctypes-python $(LIBFFI_PYTHON) \
            --libs "$(BENCH_LIBS)" $(BENCH_ARGS)

.PHONY: bench bench-quick bench-c bench-rivals bench-dropin bench-instructions
bench: venv package lib bench-c bench-rivals ## [measure] measure everything (5 minutes); BENCH_LIBS="name=path ..."
	@$(BENCH_RUN)

bench-quick: venv package lib bench-c ## [measure] the same in a few seconds, to try it: no measurement
	@$(BENCH_RUN) --quick

# A machine without a network or a Debian mirror still has everything else to measure.
bench-rivals:
	@test "$(BENCH_LIBFFI)" = no || $(MAKE) --no-print-directory -s libffi-rivals || \
	  echo "bench: going on without the patched libffi and its rivals (BENCH_LIBFFI=no: not even try)" >&2

bench-dropin: venv package ## [measure] install() against stock ctypes and cffi (half a minute)
	@$(PY) bench/python/dropin.py --out $(BENCH_OUT)/dropin.json

bench-instructions: venv lib bench-c ## [measure] write bench/instructions.tsv, which the tests compare with
	@$(PY) bench/guard.py --write

bench-c: $(BENCH_OUT)/callbench ## [measure] only the C benchmark, build/bench/callbench

$(BENCH_OUT)/obj/%.o: bench/c/%.c | $(SYSTEM)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -MMD -MP -c $< -o $@
$(BENCH_OUT)/callbench: $(BENCH_OBJS)
	$(CC) -o $@ $(BENCH_OBJS) -ldl -lm
-include $(BENCH_OBJS:.o=.d)
