# SPDX-License-Identifier: MIT
# unwind.mk - the programs that unwind through closures, in C++ for exceptions
#
# -z now: nothing may be resolved lazily while a call is stepped through. -mno-red-zone and frame
# pointers: step.cc, which is x86-64's, pushes flags in inline assembly. The whole program is built with
# CET, or with signed return addresses.
UNWIND := unwind $(if $(filter x86_64,$(ISA)),step)
UNWIND_FLAGS_x86_64 := -mno-red-zone -fcf-protection=full
UNWIND_FLAGS_aarch64 := -mbranch-protection=standard

.PHONY: tests-unwind
tests-unwind: $(UNWIND:%=$(BUILD)/tests/unwind/%)
$(UNWIND:%=$(BUILD)/tests/unwind/%): $(BUILD)/tests/unwind/%: tests/unwind/%.cc \
    tests/unwind/shapes.h $(LIB)/libffi_static.so.0
	@mkdir -p $(@D)
	$(CXX_FOR_TESTS) -std=gnu++17 -O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers \
	  -fno-omit-frame-pointer $(UNWIND_FLAGS_$(ISA)) -fasynchronous-unwind-tables \
	  -pthread -rdynamic -Icsrc/include $< -o $@ $(CROSS_LDFLAGS) -L$(LIB) -lffi_static -lffi -ldl \
	  -Wl,-z,now -Wl,-rpath,'$$ORIGIN/../../lib'
