# SPDX-License-Identifier: MIT
# abi.mk - the named C tests of the closure's life, its refusals and odd layouts; linked statically
ABI_TESTS := errors life layout silent

.PHONY: tests-abi
tests-abi: $(ABI_TESTS:%=$(BUILD)/tests/core/abi/%)
$(ABI_TESTS:%=$(BUILD)/tests/core/abi/%): $(BUILD)/tests/core/abi/%: tests/core/abi/%.c tests/core/abi/harness.h \
    $(LIB)/libffi_static.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -Wno-psabi -Icsrc/include $< -o $@ \
	  $(LIB)/libffi_static.a -lffi -pthread
