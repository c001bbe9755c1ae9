# SPDX-License-Identifier: MIT
# bad_days.mk - the programs of tests/core/bad_days; included by tests/core/core.mk, whose rules build them
BAD_DAYS := $(filter-out $(if $(wildcard tests/core/c/$(FOLDER)/page.h),,stamps stamps_later), \
              $(patsubst tests/core/bad_days/%.c,%,$(wildcard tests/core/bad_days/*.c)))
BAD_DAYS_LOADING := dl namespaces
# Those that are linked with the library and find their way in any build: disk, places and text want
# the library in a file of its own, heap, locks and outside have functions that stand before libc's.
BAD_DAYS_LINKED := $(filter-out $(BAD_DAYS_LOADING) disk heap locks outside places text,$(BAD_DAYS))

.PHONY: tests-bad-days
tests-bad-days: $(BAD_DAYS:%=$(BUILD)/tests/core/bad_days/%) $(BUILD)/tests/core/bad_days/plugin.so

.SECONDARY: $(BAD_DAYS:%=$(BUILD)/tests/core/bad_days/%.o) $(BUILD)/tests/support/fs_test.dlopen.o

$(patsubst %,$(BUILD)/tests/core/bad_days/%,$(filter-out $(BAD_DAYS_LOADING),$(BAD_DAYS))): %: %.o $(TEST_SUPPORT_OBJS) $(LIB)/libffi_static.so.0
	$(CC) -pthread -o $@ $< $(TEST_SUPPORT_OBJS) $(CROSS_LDFLAGS) -L$(LIB) -l:libffi_static.so.0 -lffi -lm \
	  -Wl,-rpath,'$$ORIGIN/../../../lib'

$(BUILD)/tests/support/fs_test.dlopen.o: tests/support/fs_test.c | $(GROUND)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -DTEST_BY_DLOPEN -MMD -MP -c $< -o $@
$(BAD_DAYS_LOADING:%=$(BUILD)/tests/core/bad_days/%): %: %.o $(BUILD)/tests/support/fs_test.dlopen.o \
    $(filter-out %/fs_test.o,$(TEST_SUPPORT_OBJS)) $(LIB)/libffi_static.so.0
	$(CC) -pthread -o $@ $(filter %.o,$^) $(CROSS_LDFLAGS) -lffi -lm

# What dl loads: C++ for objects that are destroyed at dlclose(), with the library inside.
$(BUILD)/tests/core/bad_days/plugin.so: tests/core/bad_days/plugin.cc $(LIB)/libffi_static.a
	@mkdir -p $(@D)
	$(CXX_FOR_TESTS) -std=gnu++17 -O2 -g -Wall -Wextra -Werror -fPIC \
	  -fvisibility=hidden -shared -pthread -Icsrc/include -Wl,--exclude-libs,ALL -o $@ $^ $(CROSS_LDFLAGS) -lffi
