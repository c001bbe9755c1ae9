# SPDX-License-Identifier: MIT
# nested.mk - libffi_static-nested: pointers to nested functions, for programs that GCC compiled
#
# A library of its own: base/, tramp/, the tables and hops of arch/, and nested/. It needs no libffi
# and shares nothing with libffi_static, so that it can be preloaded into any program. `make lib` and
# `make install` include it. A process never unloads it (-z nodelete), because code of the compiler's
# calls it at any time.
NESTED_ROOMS := $(patsubst arch,arch/$(FOLDER),$(shell sed -n 's/^\([a-z]*\) .*\bnested$$/\1/p' csrc/rooms.txt))
NESTED_SRCS  := $(filter-out %/entry.S %/abi.c,$(foreach r,$(NESTED_ROOMS),$(wildcard csrc/$(r)/*.c csrc/$(r)/*.S)))
NESTED_OBJS  := $(patsubst csrc/%,$(BUILD)/obj/%.o,$(NESTED_SRCS))
NESTED_LIBS  := $(LIB)/libffi_static-nested.a $(LIB)/libffi_static-nested.so.0
-include $(NESTED_OBJS:.o=.d)

.PHONY: nested install-nested
nested: $(NESTED_LIBS) ## [start] the library for GCC's nested functions alone; ISA=aarch64: of another machine
lib: $(NESTED_LIBS)
install: install-nested

ifneq ($(CANNOT),)
$(NESTED_LIBS): cannot
else
$(LIB)/libffi_static-nested.a: $(NESTED_OBJS)
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(LIB)/libffi_static-nested.so.0: $(NESTED_OBJS) csrc/nested/nested.map $(wildcard csrc/arch/$(FOLDER)/link.mk)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(LINK) -Wl,-soname,libffi_static-nested.so.0 -Wl,--version-script=csrc/nested/nested.map \
	  -Wl,-z,nodelete $(ARCH_LDFLAGS) -o $@ $(NESTED_OBJS)
	$(Q)ln -sf libffi_static-nested.so.0 $(LIB)/libffi_static-nested.so
endif

install-nested: $(NESTED_LIBS)
	install -d "$(DESTDIR)$(LIBDIR)/pkgconfig"
	install -m 644 $(LIB)/libffi_static-nested.a "$(DESTDIR)$(LIBDIR)/"
	install -m 755 $(LIB)/libffi_static-nested.so.0 "$(DESTDIR)$(LIBDIR)/"
	ln -sf libffi_static-nested.so.0 "$(DESTDIR)$(LIBDIR)/libffi_static-nested.so"
	$(FILL) csrc/nested/nested.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/libffi_static-nested.pc"
	chmod 644 "$(DESTDIR)$(LIBDIR)/pkgconfig/libffi_static-nested.pc"
