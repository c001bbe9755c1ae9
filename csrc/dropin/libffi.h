/* SPDX-License-Identifier: MIT */
/* libffi.h - modules that make closures with libffi's functions: ctypes */
#ifndef FS_LIBFFI_H
#define FS_LIBFFI_H

#include "dropin/record.h"

extern FS_HIDDEN const struct fs_dropin_kind fs_dropin_libffi;

#endif
