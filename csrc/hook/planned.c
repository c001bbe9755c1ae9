/* SPDX-License-Identifier: MIT */
/* planned.c - libffi closures with a plan: where arch/ has abi.c and entry.S
 *
 * The plan lies where libffi keeps its dynamic trampoline, which nobody needs any more. Types of
 * libffi's that have no plan get libffi's own entry.
 */
#include "hook/slot.h"

#include "plan/plan.h"

_Static_assert(FFI_TRAMPOLINE_SIZE >= 4 * sizeof(void *), "the entry and the plan fit its tramp");

/* The first word is the entry, the next three are the plan's (plan/plan.h). */
struct head {
    void *entry;
    uint64_t words[3];
};

void fs_hook_release(void *slot)
{
    struct head *h = slot;
    fs_plan_release(h->entry, h->words);
}

/* Only a long plan is memory of its own (plan/plan.h). */
static inline bool owns(const void *slot)
{
    return ((const struct head *)slot)->entry == (void *)fs_entry_long;
}

void ffi_closure_free(void *closure)
{
    fs_hook_free(closure, owns);
}

/* What is not a handful of scalars. Apart, so that the common case needs no plan in memory. */
static FS_COLD void *plan_slowly(struct head *h, const ffi_cif *cif, void *entry)
{
    struct fs_plan plan;
    if (fs_plan_compile(cif, &plan)) /* a type of libffi's that has no plan */
        plan = (struct fs_plan){.entry = entry};
    fs_plan_release(h->entry, h->words);
    __builtin_memcpy(h->words, plan.words, sizeof plan.words);
    return plan.entry;
}

/* `closure` is live. Its words are stored before the plan is made, so that less is to be kept over
 * that; the entry comes last: a thread that sees it sees what it needs. */
static FS_ALWAYS_INLINE int prepare(ffi_closure *closure, ffi_cif *cif, fs_hook_handler *handler,
                                    void *user_data, void (*entry)(void))
{
    struct head *h = (struct head *)closure;
    closure->cif = cif;
    closure->fun = handler;
    closure->user_data = user_data;
    void *planned = fs_abi_quick_entry(cif);
    if (fs_likely(planned != NULL))
        fs_plan_release(h->entry, h->words);
    else
        planned = plan_slowly(h, closure->cif, (void *)entry);
    __atomic_store_n(&h->entry, planned, __ATOMIC_RELEASE);
    return 1;
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
    if (fs_likely(fs_hook_find(closure, &ref)))
        return prepare(closure, cif, handler, user_data, entry);
    return look_and_prepare(closure, cif, handler, user_data, entry);
}
