# SPDX-License-Identifier: MIT
# unwind.mk - the programs that unwind through closures, in C++ for exceptions
#
# -z now: nothing may be resolved lazily while a call is stepped through. -mno-red-zone and frame
# pointers: step.cc pushes flags in inline assembly. The whole program is built with CET.
UNWIND := unwind step
CXX_FOR_TESTS := $(if $(filter default,$(origin CXX)),g++,$(CXX))

.PHONY: tests-unwind
tests-unwind: $(UNWIND:%=$(BUILD)/tests/unwind/%)
$(UNWIND:%=$(BUILD)/tests/unwind/%): $(BUILD)/tests/unwind/%: tests/unwind/%.cc \
    tests/unwind/shapes.h $(LIB)/libffi_static.so.0
	@mkdir -p $(@D)
	$(CXX_FOR_TESTS) -std=gnu++17 -O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers \
	  -fno-omit-frame-pointer -mno-red-zone -fcf-protection=full -fasynchronous-unwind-tables \
	  -pthread -rdynamic -Icsrc/include $< -o $@ -L$(LIB) -lffi_static -lffi -ldl \
	  -Wl,-z,now -Wl,-rpath,'$$ORIGIN/../../lib'
