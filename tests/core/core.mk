# SPDX-License-Identifier: MIT
# core.mk - the C tests of the library, plain and in each instrumented build
#
# Plain programs (build/tests/<room>/<name>) are linked with libffi_static.so.0, as a user's are.
# A variant compiles the whole core once more with its own flags (build/<variant>/obj) and links
# it into the same tests (build/<variant>/<room>/<name>): nothing of it is left out. pytest runs
# them: tests/core/test_core.py, test_bad_days.py, test_instrumented.py.
TEST_CFLAGS := -std=gnu11 $(WARN) -Wpointer-arith -Wno-psabi -O2 -g -pthread -Icsrc/include -Itests/support \
               -Itests/core/c -Itests/core/c/$(FOLDER) -Itests/core/abi/$(FOLDER)
TEST_SUPPORT := harness fs_test days fs_maps seccomp
TEST_SUPPORT_OBJS := $(TEST_SUPPORT:%=$(BUILD)/tests/support/%.o)
# hop has a probe for each architecture, stamp a page, and device writes x86-64's code. books looks
# inside of the static library.
TESTS_C_ONLY_x86_64 := device
TESTS_C  := $(filter-out books $(if $(wildcard tests/core/c/$(FOLDER)),,hop) \
              $(if $(wildcard tests/core/c/$(FOLDER)/page.h),,stamp) $(if $(TESTS_C_ONLY_$(ISA)),,device), \
              $(patsubst tests/core/c/%.c,%,$(wildcard tests/core/c/*.c)))
-include tests/core/abi.mk tests/core/bad_days.mk # name the programs that the variants build too
OWN_BUILD_SRCS := $(SRCS)

# g++ where CC is gcc, of another machine too.
CXX_FOR_TESTS = $(if $(filter default,$(origin CXX)),$(patsubst %gcc,%g++,$(CC)),$(CXX))

.PHONY: tests-c
tests-c: $(TESTS_C:%=$(BUILD)/tests/core/c/%) $(BUILD)/tests/core/c/provider_env.static $(BUILD)/tests/core/c/books.static

# gcc's undefined behaviour checks trap nothing by default: make each finding fatal. The code
# that a sanitizer puts in hides from the compiler what is initialised: that warning is left to
# the plain build.
SANITIZE := -O1 -fno-omit-frame-pointer -Wno-maybe-uninitialized
VARIANT_FLAGS_debug := -DFS_DEBUG
VARIANT_FLAGS_asan  := $(SANITIZE) -fsanitize=address,undefined -fno-sanitize-recover=all
VARIANT_FLAGS_tsan  := $(SANITIZE) -fsanitize=thread
# Without an unwinder, a loader or a position of its own: what the smallest programs are.
VARIANT_FLAGS_static := -fno-pie
VARIANT_LINK_static := -static -no-pie
VARIANT_CC_clang := clang
VARIANTS := debug asan tsan static clang

$(BUILD)/tests/%.o: tests/%.c | $(GROUND)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -c $< -o $@
-include $(wildcard $(BUILD)/tests/core/*/*.d $(BUILD)/tests/support/*.d)

TESTS_LINKED := $(TESTS_C:%=$(BUILD)/tests/core/c/%) $(TESTS_ABI:%=$(BUILD)/tests/core/abi/%)
.SECONDARY: $(TEST_SUPPORT_OBJS) $(TESTS_LINKED:=.o)

$(TESTS_LINKED): %: %.o $(TEST_SUPPORT_OBJS) $(LIB)/libffi_static.so.0
	$(CC) -pthread -o $@ $< $(TEST_SUPPORT_OBJS) $(CROSS_LDFLAGS) -L$(LIB) -l:libffi_static.so.0 -lffi -lm \
	  -Wl,-rpath,'$$ORIGIN/../../../lib'
$(BUILD)/tests/core/c/books.o: TEST_CFLAGS += -Icsrc -Icsrc/arch/$(FOLDER)
$(BUILD)/tests/core/c/%.static: $(BUILD)/tests/core/c/%.o $(TEST_SUPPORT_OBJS) $(LIB)/libffi_static.a
	$(CC) -pthread -o $@ $^ $(CROSS_LDFLAGS) -lffi -lm

define fs_variant
$(1)_CC := $$(or $$(VARIANT_CC_$(1)),$$(CC))
$(BUILD)/$(1)/obj/%.c.o: csrc/%.c | $(GROUND)
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(FS_CFLAGS) $$(VARIANT_FLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(BUILD)/$(1)/obj/%.S.o: csrc/%.S | $(GROUND)
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(FS_CFLAGS) $$(VARIANT_FLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(BUILD)/$(1)/%.o: tests/%.c | $(GROUND)
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(TEST_CFLAGS) $$(VARIANT_FLAGS_$(1)) -MMD -MP -c $$< -o $$@
-include $$(wildcard $(BUILD)/$(1)/*/*.d $(BUILD)/$(1)/*/*/*.d $(BUILD)/$(1)/*/*/*/*.d)

$(1)_OBJS := $(patsubst csrc/%,$(BUILD)/$(1)/obj/%.o,$(OWN_BUILD_SRCS)) \
             $(TEST_SUPPORT:%=$(BUILD)/$(1)/support/%.o)
$(1)_TESTS := $(TESTS_C:%=$(BUILD)/$(1)/core/c/%) $(TESTS_ABI:%=$(BUILD)/$(1)/core/abi/%) \
              $(BAD_DAYS_LINKED:%=$(BUILD)/$(1)/core/bad_days/%)
.SECONDARY: $$($(1)_OBJS) $$($(1)_TESTS:=.o)
$$($(1)_TESTS): %: %.o $$($(1)_OBJS)
	$$($(1)_CC) $$(VARIANT_FLAGS_$(1)) $$(VARIANT_LINK_$(1)) -pthread -o $$@ $$< $$($(1)_OBJS) $$(CROSS_LDFLAGS) -lffi -lm
.PHONY: tests-$(1)
tests-$(1): $$($(1)_TESTS)
endef

$(foreach v,$(VARIANTS),$(eval $(call fs_variant,$(v))))

.PHONY: test-tsan
test-tsan: $(READY) tests-tsan ## [more slow] eight threads under ThreadSanitizer, a whole minute each
	FS_TSAN_SECONDS=60 $(PYTEST) tests/core/test_instrumented.py -k tsan

.PHONY: test-machine-days
test-machine-days: $(READY) ## [more slow] bad days that need a machine of their own (overcommit off): in QEMU
	@$(PY) -m tests.core.machine_days
.PHONY: test-checkpoint
test-checkpoint: $(READY) ## [more slow] closures after CRIU has dumped and restored the process: in QEMU (root)
	@$(PY) -m tests.core.checkpoint.run
$(BUILD)/checkpoint/restored: tests/core/checkpoint/restored.c $(LIB)/libffi_static.so.0
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -Icsrc/include -o $@ $^ -lffi -Wl,-rpath,/checkpoint
.PHONY: test-sealed-vm
test-sealed-vm: $(READY) ## [more slow] sealed closures where the processor has protection keys: in QEMU
	@$(PY) -m tests.core.sealed_vm
