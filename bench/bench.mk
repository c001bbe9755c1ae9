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
# -falign-functions: every rival's C code starts at a cache line, so none has a better place by
# chance. -fno-ipa-icf: two functions with the same body stay two (gcc).
BENCH_CFLAGS := -std=gnu11 $(WARN) -O2 -g -falign-functions=64 -Icsrc/include \
                $(if $(findstring clang,$(CC)),,-fno-ipa-icf)

BENCH_RUN = $(PY) bench/run.py --build $(BUILD) --suite $(SUITE) --ctypes-python $(LIBFFI_PYTHON) \
            --libs "$(BENCH_LIBS)" $(BENCH_ARGS)

.PHONY: bench bench-nested bench-quick bench-c bench-rivals bench-dropin bench-instructions bench-count bench-isas
ifneq ($(CROSS),)
bench: bench-count # for another machine: instructions, because an emulator's times say nothing
else
bench: venv package lib bench-c bench-rivals ## [measure] measure everything (5 minutes); BENCH_LIBS="name=path ..."
	@$(BENCH_RUN)
endif

bench-quick: venv package lib bench-c ## [measure] the same in a few seconds, to try it: no measurement
	@$(BENCH_RUN) --quick

# A machine without a network or a Debian mirror still has everything else to measure.
bench-rivals:
	@test "$(BENCH_LIBFFI)" = no || $(MAKE) --no-print-directory -s libffi-rivals || \
	  echo "bench: going on without the patched libffi and its rivals (BENCH_LIBFFI=no: not even try)" >&2

bench-dropin: venv package ## [more measure] install() against stock ctypes and cffi (half a minute)
	@$(PY) bench/python/dropin.py --out $(BENCH_OUT)/dropin.json

bench-nested: ## [more measure] nested functions: stack trampolines, libgcc's heap ones, ours (root, trixie's GCC 14)
	@bash bench/nested/run.sh $(BUILD)

bench-instructions: venv lib bench-c ## [more measure] write bench/instructions.tsv, which the tests compare with
	@$(PY) bench/guard.py --write

# Instructions on any architecture, under QEMU: two libffi as upstream configures them, a patched
# one, and ours where closures run.
COUNT_OLD := trixie
COUNT_RUN := $(if $(CROSS),$(CROSS_RUN),qemu-$(ARCH_QEMU_$(ISA))-static)
COUNT_FFI := $(BUILD)/libffi
COUNT_PATCHED := $(COUNT_FFI)/newest$(if $(CROSS),/patched)
bench-count: bench-c $(COUNT_FFI)/$(COUNT_OLD)/.upstream $(COUNT_FFI)/newest/.upstream \
             $(COUNT_FFI)/newest/.patched $(if $(CANNOT),,lib) ## [more measure] instructions per call under QEMU; ISA=aarch64
	@$(if $(CROSS),:,sh tests/arch/packages.sh $(ISA))
	@$(NEED_PYTHON)
	@$(PYTHON) bench/emulated.py --run "$(COUNT_RUN)" --isa $(ISA) --json $(BENCH_OUT)/emulated.json \
	  $(BENCH_OUT)/callbench --ours "$(if $(CANNOT),,$(LIB)/libffi_static.so.0)" \
	  --system $(COUNT_FFI)/newest/upstream/lib/libffi.so.8 \
	  --lib "libffi $$(cat $(NATIVE)/libffi/$(COUNT_OLD)/version)=$(COUNT_FFI)/$(COUNT_OLD)/upstream/lib/libffi.so.8" \
	  --lib "patched=$(COUNT_PATCHED)/lib/libffi.so.8"

bench-isas: ## [more measure] instructions.md: instructions per call on each architecture, in docs/results; ONLY='arm i686': in build
	@for isa in $(or $(ONLY),$(ARCHES)); do $(MAKE) --no-print-directory -s bench-count ISA=$$isa || exit; done
	@$(PYTHON) bench/isas.py --build $(NATIVE) --out $(if $(ONLY),$(NATIVE),docs/results)/instructions.md $(or $(ONLY),$(ARCHES))

bench-c: $(BENCH_OUT)/callbench ## [more measure] only the C benchmark, build/bench/callbench

$(BENCH_OUT)/obj/%.o: bench/c/%.c | $(GROUND)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BENCH_CFLAGS) -MMD -MP -c $< -o $@
$(BENCH_OUT)/callbench: $(BENCH_OBJS)
	$(call say,LD)
	$(Q)$(CC) -o $@ $(BENCH_OBJS) $(CROSS_LDFLAGS) -ldl -lm
-include $(BENCH_OBJS:.o=.d)

# What sealed closures cost; needs no other rival. The static one is for a guest with keys.
$(BUILD)/bench/sealed $(BUILD)/bench/sealed.static: bench/sealed/sealed.c $(LIB)/libffi_static.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O2 -g -pthread -Icsrc/include $(if $(filter %.static,$@),-static) -o $@ $^ -lffi

.PHONY: bench-sealed
bench-sealed: $(BUILD)/bench/sealed ## [more measure] what sealed closures cost, as a table
	@sh bench/sealed/run.sh $<
