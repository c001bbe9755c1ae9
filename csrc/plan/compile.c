/* SPDX-License-Identifier: MIT */
/* compile.c - from a cif to a plan
 *
 * Two passes over the arguments: the first finds the shape, and whether every word fits a byte
 * and all of them fit the slot; most signatures end there. The second, for long ones only,
 * writes the same words into a block of their own.
 */
#include "plan/plan.h"
#include "plan/long.h"

#include "arch.h"
#include "arch/abi.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* The words of one signature, as the first pass finds them. */
struct draft {
    struct fs_abi abi;
    unsigned gather;              /* words that gathering needs */
    bool fits;                    /* in a slot */
    uint8_t word[FS_PLAN_INLINE]; /* arguments', valid while `fits` */
    uint8_t source[FS_PLAN_INLINE];
};

static int check_cif(const ffi_cif *cif)
{
    if (!cif)
        return fs_fail(-EINVAL, "the cif is NULL");
    if (cif->nargs > FFI_STATIC_MAX_ARGS)
        return fs_fail(-EINVAL, "the cif has %u arguments; closures take at most %u", cif->nargs,
                       FFI_STATIC_MAX_ARGS);
    if (cif->nargs && !cif->arg_types)
        return fs_fail(-EINVAL, "the cif has %u arguments but no argument types (NULL)",
                       cif->nargs);
    return 0;
}

/* The frame word of an argument, after reserving scratch for it if it must be gathered. */
static uint32_t final_word(const struct fs_place *place, unsigned *gather)
{
    if (place->second == FS_WORD_NONE)
        return place->word;
    uint32_t word = fs_abi_scratch_word(*gather);
    *gather += 2;
    return word;
}

static int first_pass(const ffi_cif *cif, struct draft *d)
{
    int error = fs_abi_begin(&d->abi, cif);
    if (error)
        return error;
    d->gather = 0;
    d->fits = cif->nargs <= FS_PLAN_INLINE;
    for (unsigned i = 0; i < cif->nargs; i++) {
        struct fs_place place;
        if ((error = fs_abi_argument(&d->abi, cif->arg_types[i], i, &place)))
            return error;
        unsigned from = d->gather;
        uint32_t word = final_word(&place, &d->gather);
        if (word > UINT8_MAX || cif->nargs + d->gather > FS_PLAN_INLINE)
            d->fits = false;
        if (!d->fits)
            continue;
        d->word[i] = (uint8_t)word;
        if (d->gather != from) {
            d->source[from] = (uint8_t)place.word;
            d->source[from + 1] = (uint8_t)place.second;
        }
    }
    return 0;
}

static int second_pass(const ffi_cif *cif, const struct draft *d, struct fs_planned *out)
{
    struct fs_long *p = malloc(sizeof *p + (cif->nargs + d->gather) * sizeof p->word[0]);
    if (!p)
        return fs_fail(-ENOMEM, "no memory for the plan of %u arguments", cif->nargs);
    p->nargs = cif->nargs;
    p->gather = (uint16_t)d->gather;
    p->tail = fs_abi_tail_code(&d->abi);
    struct fs_abi abi;
    int error = fs_abi_begin(&abi, cif);
    unsigned gather = 0;
    for (unsigned i = 0; i < cif->nargs && !error; i++) {
        struct fs_place place;
        error = fs_abi_argument(&abi, cif->arg_types[i], i, &place);
        if (error)
            break;
        unsigned from = gather;
        p->word[i] = final_word(&place, &gather);
        if (gather != from) {
            p->word[cif->nargs + from] = place.word;
            p->word[cif->nargs + from + 1] = place.second;
        }
    }
    if (error) { /* the types changed under our hands */
        free(p);
        return error;
    }
    out->entry = (void *)fs_entry_long;
    out->body.spill = p;
    return 0;
}

int fs_plan_compile(const ffi_cif *cif, struct fs_planned *out)
{
    struct draft d;
    int error = check_cif(cif);
    if (error || (error = first_pass(cif, &d)))
        return error;
    *out = (struct fs_planned){.entry = fs_abi_entry(&d.abi, cif->nargs)};
    if (out->entry)
        return 0;
    if (!d.fits)
        return second_pass(cif, &d, out);
    struct fs_plan *plan = &out->body.plan;
    plan->nargs = (uint8_t)cif->nargs;
    plan->gather = (uint8_t)d.gather;
    plan->tail = fs_abi_tail_code(&d.abi);
    memcpy(plan->bytes, d.word, cif->nargs);
    memcpy(plan->bytes + cif->nargs, d.source, d.gather);
    out->entry = fs_abi_plan_entry(&d.abi);
    return 0;
}
