/* SPDX-License-Identifier: MIT */
/* planned.c - libffi closures with a plan: where arch/ has abi.c and entry.S
 *
 * The plan lies where libffi keeps its dynamic trampoline, which nobody needs any more. Types of
 * libffi's that have no plan get libffi's own entry.
 */
#include "hook/libffi_closure.h"

#include "plan/plan.h"

_Static_assert(FFI_TRAMPOLINE_SIZE >= FS_SLOT_CIF, "the entry and the plan fit its tramp");

static FS_COLD void free_slowly(void *closure)
{
    struct fs_ref ref;
    const struct fs_slot *slot = fs_hook_look_for_free(closure, &ref);
    if (!slot)
        return;
    if (fs_slot_is_sealed(ref)) { /* if its page cannot be opened, it stays as it is */
        (void)fs_plan_free_sealed((struct fs_slot *)(uintptr_t)slot, "ffi_closure_free");
        return;
    }
    fs_plan_release(slot);
    fs_slot_free(ref);
}

void ffi_closure_free(void *closure)
{
    struct fs_ref ref;
    if (fs_likely(fs_hook_find(closure, &ref) && !fs_plan_owns(closure) && !ref.table->sealed))
        fs_slot_free(ref);
    else
        free_slowly(closure);
}

/* What is not a handful of scalars. Apart, so that the common case needs no plan in memory. */
static FS_COLD void *plan_slowly(struct fs_slot *slot, const ffi_cif *cif, void *entry)
{
    struct fs_planned plan;
    if (fs_plan_compile(cif, &plan)) /* a type of libffi's that has no plan */
        plan = (struct fs_planned){.entry = entry};
    fs_plan_release(slot);
    slot->body = plan.body;
    return plan.entry;
}

/* `closure` is live. Its words are stored before the plan is made, so that less is to be kept over
 * that. */
static FS_ALWAYS_INLINE int prepare(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                    void *user_data, void (*entry)(void))
{
    struct fs_slot *slot = (struct fs_slot *)(void *)closure;
    fs_hook_store(closure, cif, handler, user_data);
    void *planned = fs_abi_quick_entry(cif);
    if (fs_likely(planned != NULL))
        fs_plan_release(slot);
    else
        planned = plan_slowly(slot, slot->cif, (void *)entry);
    fs_slot_enter(slot, planned);
    return 1;
}

static FS_COLD int prepare_sealed(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                  void *user_data, void (*entry)(void))
{
    struct fs_slot *slot = (struct fs_slot *)(void *)closure;
    struct fs_planned plan = {.entry = fs_abi_quick_entry(cif)};
    if (!plan.entry && fs_plan_compile(cif, &plan))
        plan = (struct fs_planned){.entry = (void *)entry};
    return fs_hook_put(
        fs_plan_put(slot, &plan, cif, (void *)handler, user_data, "ffi_prep_closure_loc"), closure);
}

static FS_COLD int look_and_prepare(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                    void *user_data, void (*entry)(void))
{
    return fs_hook_look_closer(closure) ? prepare(closure, cif, handler, user_data, entry) : 0;
}

int fs_hook_prep(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    struct fs_ref ref;
    if (fs_likely(fs_hook_find(closure, &ref))) {
        if (fs_slot_is_sealed(ref))
            return prepare_sealed(closure, cif, handler, user_data, entry);
        return prepare(closure, cif, handler, user_data, entry);
    }
    return look_and_prepare(closure, cif, handler, user_data, entry);
}

int fs_hook_bind(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler, void *user_data,
                 void (*entry)(void))
{
    if (!fs_hook_is_ours(closure))
        return 0;
    if (fs_hook_is_sealed(closure)) {
        const struct fs_planned plan = {.entry = (void *)entry};
        return fs_hook_put(fs_plan_put((struct fs_slot *)(void *)closure, &plan, cif,
                                       (void *)handler, user_data, "ffi_prep_closure_loc"),
                           closure);
    }
    fs_plan_release((const struct fs_slot *)(const void *)closure);
    fs_hook_store(closure, cif, handler, user_data);
    fs_slot_enter(closure, (void *)entry);
    return 1;
}
