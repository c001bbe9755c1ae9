/* SPDX-License-Identifier: MIT */
/* flang.c - what flang's code calls with -fsafe-trampoline
 *
 * flang's own functions of these names are in an archive (libflang_rt.runtime.a), so a program that
 * has ours is linked with them before it. They write a table of 1,024 instructions' worth and then
 * ask for it to be made executable, which hardened systems refuse; when the table is full they end
 * the program. Ours have no limit and write no code.
 *
 * A pointer lives from Init to Free, whatever becomes of the thread that made it. Slots come from
 * those that the thread keeps. Any thread may free.
 */
#include "nested/nested.h"

#include "tramp/find.h"

#ifndef FS_HOP_NEST /* LLVM's register for the chain; arch.h has it where it is not GCC's */
#define FS_HOP_NEST FS_HOP_CHAIN
#endif

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *_FortranATrampolineInit(void *scratch, const void *callee, const void *chain);
EXPORTED void *_FortranATrampolineAdjust(void *handle);
EXPORTED void _FortranATrampolineFree(void *handle);

/* A new pointer: its handle. `scratch` was for code on the stack. */
void *_FortranATrampolineInit(void *scratch, const void *callee, const void *chain)
{
    uintptr_t sp = FS_NESTED_CALLER_SP();
    struct fs_nested_own *own = fs_nested_own(sp);
    struct fs_nested *n;
    (void)scratch;
    if (own) {
        fs_nested_enter(own, sp);
        n = fs_nested_pop(own, sp);
        own->taken--;
        fs_nested_leave(own);
    } else {
        struct fs_nested_pause pause;
        fs_nested_pause(&pause);
        n = fs_nested_take();
        fs_nested_resume(&pause);
    }
    fs_nested_bind(n, FS_HOP_NEST, callee, (void *)(uintptr_t)chain);
    return n;
}

/* The process ends if `handle` is none, as the callers expect no error. */
static struct fs_nested *check(void *handle, void *caller)
{
    struct fs_ref ref;
    struct fs_nested *n = handle;
    if (fs_slot_find(handle, &ref) != 0 || n->entry != fs_hop_entry(FS_HOP_NEST, FS_HOP_SP))
        fs_die("ffi_static: @ is not the handle of a pointer to an internal procedure that "
               "_FortranATrampolineInit() made and nobody has freed (called by code at @)",
               (uintptr_t)handle, (uintptr_t)caller);
    return n;
}

/* The address that is called. */
void *_FortranATrampolineAdjust(void *handle)
{
    return fs_slot_code(check(handle, __builtin_return_address(0)));
}

void _FortranATrampolineFree(void *handle)
{
    uintptr_t sp = FS_NESTED_CALLER_SP();
    struct fs_nested *n = check(handle, __builtin_return_address(0));
    struct fs_nested_own *own = fs_nested_own(sp);
    if (own) {
        fs_nested_enter(own, sp);
        own->taken++;
        fs_nested_keep(own, n);
        fs_nested_leave(own);
    } else {
        struct fs_nested_pause pause;
        fs_nested_pause(&pause);
        fs_nested_drop(n);
        fs_nested_resume(&pause);
    }
}
