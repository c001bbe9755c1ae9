# SPDX-License-Identifier: MIT
# ffi_static - `make bench` and `make test` do all the set-up; `make help` lists the rest.
SHELL := /bin/bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

BUILD  ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
ISA     ?= $(shell $(CC) -dumpmachine | cut -d- -f1)
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
FS_CFLAGS := -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -fcf-protection=full -pthread \
             -Icsrc -Icsrc/include -Icsrc/arch/$(ISA) $(CFLAGS)

ROOMS   := base arch/$(ISA) tramp plan closure nested
SRCS    := $(foreach r,$(ROOMS),$(wildcard csrc/$(r)/*.c csrc/$(r)/*.S))
OBJS    := $(patsubst csrc/%,$(BUILD)/obj/%.o,$(SRCS))
LIB     := $(BUILD)/lib

.PHONY: all lib clean help
all: lib

help: ## what the targets are
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

lib: $(LIB)/libffi_static.a $(LIB)/libffi_static.so.0 ## the C library, in build/lib

$(BUILD)/obj/%.c.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) $(FS_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/obj/%.S.o: csrc/%.S
	@mkdir -p $(@D)
	$(CC) $(FS_CFLAGS) -MMD -MP -c $< -o $@
-include $(OBJS:.o=.d)

$(LIB)/libffi_static.a: $(OBJS)
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^
$(LIB)/libffi_static.so.0: $(OBJS) csrc/libffi_static.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -shared -pthread -Wl,-soname,libffi_static.so.0 \
	  -Wl,--version-script=csrc/libffi_static.map -Wl,-z,relro,-z,now,-z,noexecstack \
	  -o $@ $(OBJS)
	ln -sf libffi_static.so.0 $(LIB)/libffi_static.so

clean: ## remove what was built (keeps .venv)
	rm -rf $(BUILD)
