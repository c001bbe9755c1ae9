/* SPDX-License-Identifier: MIT */
/* closures.c - libffi's closure functions over our slots: takes the place of libffi's closures.c
 *
 * A libffi closure is shorter than a slot and has its words in the same places, so a slot is a
 * closure. Users who put one at the head of a larger struct get a run of slots. No memory here is
 * ever executable and writable, and none is asked for.
 *
 * Fails when: every provider refuses (NULL, as from any allocator), or the struct is larger than
 * the longest run.
 */
#include "hook/libffi_closure.h"

#include "base/error.h"
#include "tramp/seal.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Keys are made when the library is loaded (tramp/seal.h). */
__attribute__((constructor)) static void decide(void)
{
    (void)fs_seal_all();
}

/* libffi has no sentences, and a program that is told NULL seldom says why. Once. */
static FS_COLD void *not_sealed(const char *why)
{
    static uint32_t said; /* atomic */
    if (!__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED)) {
        static const char what[] = "libffi: FFI_STATIC_HARDEN: ffi_closure_alloc() gives NULL: ";
        const struct iovec line[] = {
            {(void *)(uintptr_t)what, sizeof what - 1},
            {(void *)(uintptr_t)why, strlen(why)},
            {(void *)(uintptr_t) "\n", 1},
        };
        if (writev(STDERR_FILENO, line, 3) < 0)
            return NULL; /* nothing can be done about a closed standard error */
    }
    return NULL;
}

static FS_COLD void *alloc_sealed(size_t size, void **code)
{
    if (size > sizeof(ffi_closure))
        return not_sealed(
            "it is asked for bytes behind a closure, which is sealed, so nobody could "
            "write there");
    void *closure = fs_slot_alloc_sealed(code);
    return closure ? closure : not_sealed(fs_error_text());
}

void *ffi_closure_alloc(size_t size, void **code)
{
    if (!code || size > (size_t)FS_RUN_MAX * FS_SLOT_SIZE)
        return NULL;
    if (fs_unlikely(fs_seal_all()))
        return alloc_sealed(size, code);
    return fs_slot_alloc(size ? (unsigned)((size + FS_SLOT_SIZE - 1) / FS_SLOT_SIZE) : 1, code);
}

/* A program that cannot know at build time which libffi it will run with asks the one that it has
 * for this name (cffi does, by patches/cffi). It means: a child of fork() has closures of its own,
 * and no memory is writable and executable. */
int ffi_static_survives_fork(void);
int ffi_static_survives_fork(void)
{
    return 1;
}

void *fs_hook_look_for_free(void *closure, struct fs_ref *ref)
{
    if (!closure)
        return NULL;
    int error = fs_slot_find(closure, ref);
    if (error == -EINVAL)
        error = fs_code_find(closure, ref);
    if (error)
        fs_die(error == -EALREADY
                   ? "libffi: ffi_closure_free(@): this closure has been freed already"
                   : "libffi: ffi_closure_free(@): not a closure that ffi_closure_alloc() gave",
               (uintptr_t)closure, 0);
    return fs_ref_slot(*ref);
}

void *ffi_data_to_code_pointer(void *data)
{
    struct fs_ref ref;
    return fs_slot_find(data, &ref) ? data : fs_ref_code(ref);
}

/* libffi's own tables are not in use. */
FS_HOOK_API int ffi_tramp_is_present(void *closure);
int ffi_tramp_is_present(void *closure)
{
    (void)closure;
    return 0;
}

/* Is the address in a table's code or slots? The rest of a table's span may be anybody's memory. */
static bool in_a_table(const void *address)
{
    struct fs_spot s = fs_locate(address, FS_AMONG_SLOTS);
    if (s.is_resident || fs_locate(address, FS_AMONG_CODE).is_resident)
        return true;
    return fs_spot_table(s) &&
           (uintptr_t)address - (uintptr_t)s.table < FS_TABLE_CODE + FS_TABLE_DATA;
}

int fs_hook_look_closer(const ffi_closure *closure)
{
    struct fs_ref ref;
    int error = fs_slot_find(closure, &ref);
    if (error == -EALREADY)
        fs_die("libffi: ffi_prep_closure_loc(@): this closure has been freed", (uintptr_t)closure,
               0);
    if (error && in_a_table(closure))
        fs_die("libffi: ffi_prep_closure_loc(@): not the start of a closure that "
               "ffi_closure_alloc() gave",
               (uintptr_t)closure, 0);
    return !error;
}
