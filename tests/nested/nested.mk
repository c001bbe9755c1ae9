# SPDX-License-Identifier: MIT
# nested.mk - tests of libffi_static-nested: by hand here, with GCC 14's own code in a root of its own
#
# build/tests/nested/c/<name> is linked with libffi_static-nested.so.0, as a user's program is. A
# variant (core.mk) compiles the library once more with its own flags and links it in.
TESTS_NESTED := $(patsubst tests/nested/c/%.c,%,$(filter-out %/nested.c,$(wildcard tests/nested/c/*.c))) exceptions
NESTED_SUPPORT := nested/c/nested.o nested/c/shim.o support/harness.o support/fs_maps.o support/seccomp.o
NESTED_VARIANTS := debug asan tsan static clang
NESTED_PLAIN := $(TESTS_NESTED:%=$(BUILD)/tests/nested/c/%)

.PHONY: tests-nested $(NESTED_VARIANTS:%=tests-nested-%) test-nested
tests-nested: $(NESTED_PLAIN)
.SECONDARY: $(NESTED_SUPPORT:%=$(BUILD)/tests/%) $(NESTED_PLAIN:=.o)

$(BUILD)/tests/nested/c/shim.o $(NESTED_VARIANTS:%=$(BUILD)/%/nested/c/shim.o): tests/nested/c/shim.S | $(GROUND)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ARCH_CFLAGS) -c $< -o $@
$(BUILD)/tests/nested/c/exceptions.o: tests/nested/c/exceptions.cc | $(GROUND)
	@mkdir -p $(@D)
	$(CXX_FOR_TESTS) -std=gnu++17 -O2 -g -Wall -Wextra -Werror -pthread $(NESTED_CC_FLAGS) \
	  -Icsrc/include -Itests/support -MMD -MP -c $< -o $@
$(NESTED_PLAIN): %: %.o $(NESTED_SUPPORT:%=$(BUILD)/tests/%) $(LIB)/libffi_static-nested.so.0
	$(CXX_FOR_TESTS) -pthread -o $@ $(filter %.o,$^) $(CROSS_LDFLAGS) -L$(LIB) -l:libffi_static-nested.so.0 -lffi -lm \
	  -Wl,-rpath,'$$ORIGIN/../../../lib'
-include $(wildcard $(BUILD)/tests/nested/c/*.d)

define fs_nested_variant
tests-nested-$(1): $(TESTS_NESTED:%=$(BUILD)/$(1)/nested/c/%)
.SECONDARY: $(NESTED_SUPPORT:%=$(BUILD)/$(1)/%) $(TESTS_NESTED:%=$(BUILD)/$(1)/nested/c/%.o)
$(BUILD)/$(1)/nested/c/exceptions.o: tests/nested/c/exceptions.cc
	@mkdir -p $$(@D)
	$$(CXX_FOR_TESTS) -std=gnu++17 -O2 -g -Wall -Wextra -Werror -pthread $(VARIANT_FLAGS_$(1)) \
	  -Icsrc/include -Itests/support -MMD -MP -c $$< -o $$@
$(TESTS_NESTED:%=$(BUILD)/$(1)/nested/c/%): %: %.o $(NESTED_SUPPORT:%=$(BUILD)/$(1)/%) \
    $(NESTED_SRCS:csrc/%=$(BUILD)/$(1)/obj/%.o)
	$$(CXX_FOR_TESTS) $(VARIANT_FLAGS_$(1)) $(VARIANT_LINK_$(1)) -pthread -o $$@ $$^ -lffi -lm
-include $(wildcard $(BUILD)/$(1)/nested/c/*.d)
endef
$(foreach v,$(NESTED_VARIANTS),$(eval $(call fs_nested_variant,$(v))))

test-nested: ## [slow] nested functions as GCC 14 and flang compile them, in roots of their own: ONLY='coroutines aarch64'
	@bash tests/nested/gcc/root.sh $(BUILD) $(ONLY)
