/* SPDX-License-Identifier: MIT */
/* unwind.h - frame descriptions for mapped trampolines
 *
 * A trampoline leaves by a jump, so it is never on the stack of a running handler, and ordinary
 * unwinding never meets one. A profiler's signal or a single step can. The unwinder in the
 * process knows only loaded objects; for mapped tables it must be told.
 *
 * Only where FFI_STATIC_UNWIND=1 asks for it, because telling has a price that others pay: until
 * GCC 13, an unwinder that has been told of anything takes one lock for every frame of every
 * exception, and a child forked while another thread holds it hangs in its first throw. And only
 * where the process has an unwinder (libgcc's or LLVM's) when this library is loaded. The
 * resident table is part of the library and always described. gdb and perf need none of this.
 *
 * Not under fs_lock(): the environment, malloc and the unwinder have locks of their own.
 */
#ifndef FS_UNWIND_H
#define FS_UNWIND_H

#include "base/base.h"

/* Describe `size` bytes of trampolines: where their caller's frame is, arch.h says in
 * FS_DWARF_PROGRAM. Returns what fs_unwind_remove() wants, or NULL when there was nothing to do. */
FS_HIDDEN void *fs_unwind_add(const void *code, size_t size);
FS_HIDDEN void fs_unwind_remove(void *description);

#endif
