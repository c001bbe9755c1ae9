# SPDX-License-Identifier: MIT
# bench.mk - recipes of bench/: `make bench` measures everything and writes build/bench/report.md
#
# BENCH_LIBS="name=path ..." adds libffi-compatible rivals, such as a patched libffi.
BENCH_LIBS  ?=
BENCH_ARGS  ?=
BENCH_OUT   := $(BUILD)/bench
BENCH_OBJS  := $(patsubst bench/c/%.c,$(BENCH_OUT)/obj/%.o,$(wildcard bench/c/*.c))
# -falign-functions: every rival's C code starts at a cache line, so that none is lucky.
# -fno-ipa-icf: two functions with the same body stay two (gcc).
BENCH_CFLAGS := -std=gnu11 $(WARN) -O2 -g -falign-functions=64 -Icsrc/include \
                $(if $(findstring clang,$(CC)),,-fno-ipa-icf)

.PHONY: bench bench-quick bench-c
bench: venv package lib bench-c ## measure everything (5 minutes); BENCH_LIBS="name=path ..."
	@$(PY) bench/run.py --build $(BUILD) --libs "$(BENCH_LIBS)" $(BENCH_ARGS)

bench-quick: venv package lib bench-c ## the same in a few seconds, to try it: no measurement
	@$(PY) bench/run.py --build $(BUILD) --libs "$(BENCH_LIBS)" --quick $(BENCH_ARGS)

bench-c: $(BENCH_OUT)/callbench ## only the C benchmark, build/bench/callbench

$(BENCH_OUT)/obj/%.o: bench/c/%.c | $(SYSTEM)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -MMD -MP -c $< -o $@
$(BENCH_OUT)/callbench: $(BENCH_OBJS)
	$(CC) -o $@ $(BENCH_OBJS) -ldl -lm
-include $(BENCH_OBJS:.o=.d)
