/* SPDX-License-Identifier: MIT */
/* closure.c - the public functions: a slot with a plan in it
 *
 * Only checks and joins: tramp/ gives the slot, plan/ compiles the signature. The slot *is* the
 * closure, so there is nothing to allocate besides, but for signatures too long for it.
 */
#include "include/ffi_static.h"

#include "arch/hop.h"
#include "arch/slot.h"
#include "base/base.h"
#include "base/error.h"
#include "base/lock.h"
#include "plan/plan.h"
#include "tramp/find.h"
#include "tramp/pool.h"
#include "tramp/seal.h"

FS_IS_A_SLOT(ffi_static_closure, handler);
_Static_assert(sizeof(ffi_static_closure) == FS_SLOT_SIZE, "a closure is a slot, to the last byte");
_Static_assert(FFI_STATIC_MAX_SIZE <= FS_RUN_MAX * FS_SLOT_SIZE, "largest run");

static struct fs_slot *slot_of(ffi_static_closure *closure)
{
    return (struct fs_slot *)(void *)closure;
}

static FS_COLD int not_found(const void *closure, const char *doing, int error)
{
    if (error == -EALREADY)
        return fs_fail(error, "%s: the closure at %p has been freed already", doing, closure);
    return fs_fail(error,
                   "%s: %p is not a closure that ffi_static_alloc() gave (NULL, misaligned, "
                   "inside one, or from elsewhere)",
                   doing, closure);
}

static FS_ALWAYS_INLINE int find(const void *closure, const char *doing, struct fs_ref *ref)
{
    int error = fs_slot_find(closure, ref);
    return fs_likely(!error) ? 0 : not_found(closure, doing, error);
}

static FS_COLD void *alloc_specially(size_t size, unsigned flags, void **code)
{
    if (flags & ~FFI_STATIC_SEALED)
        fs_fail(-EINVAL, "ffi_static_alloc: unknown flags 0x%x; pass 0 or FFI_STATIC_SEALED",
                flags);
    else if (size < sizeof(ffi_static_closure) || size > FFI_STATIC_MAX_SIZE)
        fs_fail(-EINVAL, "ffi_static_alloc: size %zu is not in %zu .. %u", size,
                sizeof(ffi_static_closure), FFI_STATIC_MAX_SIZE);
    else if (size != sizeof(ffi_static_closure))
        fs_fail(-EINVAL,
                "ffi_static_alloc: size %zu is not %zu: a sealed closure has no room for bytes of "
                "its owner, which could not write there",
                size, sizeof(ffi_static_closure));
    else
        return fs_slot_alloc_sealed(code);
    errno = EINVAL;
    return NULL;
}

ffi_static_closure *ffi_static_alloc(size_t size, unsigned flags, void **code)
{
    if (fs_unlikely(flags || size < sizeof(ffi_static_closure) || size > FFI_STATIC_MAX_SIZE))
        return alloc_specially(size, flags, code);
    return fs_slot_alloc((unsigned)((size + FS_SLOT_SIZE - 1) / FS_SLOT_SIZE), code);
}

#define PREP "ffi_static_prep"
#define FREE "ffi_static_free"

int ffi_static_prep(ffi_static_closure *closure, ffi_cif *cif, ffi_static_handler handler,
                    void *user_data, unsigned flags)
{
    struct fs_ref ref;
    int error = find(closure, PREP, &ref);
    if (error)
        return error;
    if (flags)
        return fs_fail(-EINVAL, "ffi_static_prep: unknown flags 0x%x; pass 0", flags);
    if (!handler)
        return fs_fail(-EINVAL, "ffi_static_prep: the handler is NULL");
    void *entry = fs_abi_quick_entry(cif);
    struct fs_planned plan;
    if (!entry && (error = fs_plan_compile(cif, &plan)))
        return error;
    if (fs_slot_is_sealed(ref)) {
        if (entry)
            plan = (struct fs_planned){.entry = entry};
        return fs_plan_put(slot_of(closure), &plan, cif, (void *)handler, user_data, PREP);
    }
    fs_plan_release(slot_of(closure));
    if (!entry) {
        slot_of(closure)->body = plan.body;
        entry = plan.entry;
    }
    closure->cif = cif;
    closure->handler = handler;
    closure->user_data = user_data;
    fs_slot_enter(closure, entry);
    return 0;
}

/* The three questions below may be asked about any address, also about one whose table another
 * thread is unmapping: only under the lock is it safe to look. What prepares and frees is given
 * live closures, whose tables stay. */

void *ffi_static_address(const ffi_static_closure *closure)
{
    struct fs_ref ref;
    void *code = NULL;
    fs_lock();
    int error = fs_slot_find(closure, &ref);
    if (!error)
        code = fs_ref_code(ref);
    fs_unlock();
    if (!error)
        return code;
    not_found(closure, "ffi_static_address", error);
    errno = EINVAL;
    return NULL;
}

/* What there is to say of a live code address, read while its table is sure to be there. */
struct found {
    void *slot;
    void *entry;
    const char *provider;
};

static int find_code(const void *code, const char *doing, struct found *out)
{
    struct fs_ref ref;
    fs_lock();
    int error = fs_code_find(code, &ref);
    if (!error) {
        out->slot = fs_ref_slot(ref);
        out->entry = __atomic_load_n(&fs_table_slot(ref.table, ref.index)->entry, __ATOMIC_RELAXED);
        out->provider = fs_ref_provider(ref);
    }
    fs_unlock();
    if (!error)
        return 0;
    fs_fail(error, "%s: %p is not the code address of a live closure", doing, code);
    errno = EINVAL;
    return error;
}

ffi_static_closure *ffi_static_from_address(const void *code)
{
    struct found f;
    unsigned data, code_in;
    if (find_code(code, "ffi_static_from_address", &f))
        return NULL;
    if (!fs_hop_registers(f.entry, &data, &code_in))
        return f.slot;
    fs_fail(-EINVAL, "ffi_static_from_address: %p is a trampoline's address, not a closure's",
            code);
    errno = EINVAL;
    return NULL;
}

const char *ffi_static_provider_of(const void *code)
{
    struct found f;
    return find_code(code, "ffi_static_provider_of", &f) ? NULL : f.provider;
}

int ffi_static_free(ffi_static_closure *closure)
{
    struct fs_ref ref;
    if (!closure)
        return 0;
    int error = find(closure, FREE, &ref);
    if (error)
        return error;
    if (fs_slot_is_sealed(ref))
        return fs_plan_free_sealed(slot_of(closure), FREE);
    fs_plan_release(slot_of(closure));
    fs_slot_free(ref);
    return 0;
}

int ffi_static_seal(void)
{
    struct fs_why why;
    int error = fs_pool_end(fs_plan_owned, &why);
    return error ? fs_fail(error, "ffi_static_seal: %s", why.text) : 0;
}

int ffi_static_sealing(const char **method)
{
    struct fs_why why;
    const char *by;
    if (!method)
        return fs_fail(-EINVAL, "ffi_static_sealing: the room for the answer is NULL");
    int error = fs_seal_method(&by);
    if (!error && (error = fs_seal_try(&why)))
        return fs_fail(error, "ffi_static_sealing: %s", why.text);
    if (error)
        return error;
    *method = by;
    return fs_seal_all();
}

/* A protection key is for threads that are younger than it, so it is made when the library is
 * loaded. */
__attribute__((constructor)) static void decide(void)
{
    (void)fs_seal_all();
}
