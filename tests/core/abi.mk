# SPDX-License-Identifier: MIT
# abi.mk - the programs of tests/core/abi: a closure's life, layouts, results, variadic calls
#
# Included by core.mk, whose rules build them plain and in each variant. They spell out the
# architecture's own ABIs: none is built where tests/core/abi has no folder of that name.
TESTS_ABI := $(if $(wildcard tests/core/abi/$(FOLDER)),life layout silent variadic) $(if $(filter i686,$(ISA)),conventions)

.PHONY: tests-abi
tests-abi: $(TESTS_ABI:%=$(BUILD)/tests/core/abi/%)
