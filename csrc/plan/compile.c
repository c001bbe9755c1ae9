/* SPDX-License-Identifier: MIT */
/* compile.c - from a cif to a plan
 *
 * Two passes over the arguments: the first finds the shape, and whether every place fits a byte
 * and all of them fit the slot; most signatures end there. The second, for long ones only,
 * writes the same places into a block of their own.
 */
#include "plan/plan.h"
#include "plan/long.h"

#include "arch.h"
#include "arch/abi.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* One signature, as the first pass finds it. */
struct draft {
    struct fs_abi abi;
    uint32_t references, pieces;        /* what a long plan needs */
    unsigned more, gathered;            /* bytes of `second`, structs in the frame's scratch */
    bool fits;                          /* in a slot */
    uint8_t place[FS_PLAN_INLINE];      /* arguments', valid while `fits` */
    uint8_t second[FS_PLAN_INLINE + 2]; /* the last argument may be one too many */
};

/* The largest place that the slot has room for, in units. */
#ifdef FS_PLAN_FIELD
#define PLACE_MAX ((1u << FS_PLAN_FIELD) - 1)
#else
#define PLACE_MAX UINT8_MAX
#endif

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

static uint32_t align_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/* A frame byte in a plan byte's units. What is between two units becomes a huge number, as what is
 * far away is a large one: neither fits a byte. */
static inline uint32_t in_units(uint32_t at)
{
    unsigned n = (unsigned)__builtin_ctz(FS_PLAN_UNIT);
    return at >> n | at << (-n & 31);
}

/* An argument that is not direct: into the second list of the slot's plan (slot.h), or it does not
 * fit. */
#ifdef FS_FRAME_SCRATCH
static bool take_pieces(struct draft *d, struct fs_place *place)
{
    const struct fs_piece *p = place->piece;
    uint32_t first = in_units(p[0].from), second = in_units(p[1].from);
    if (FS_PLAN_HALVES) { /* elsewhere all are two registers' 8 bytes each */
        bool halves = p[1].to == 4 && p[0].size <= 4 && p[1].size <= 4;
        bool wholes = p[1].to == 8 && p[1].size <= 8;
        if (place->pieces != 2 || p[0].to != 0 || (!halves && !wholes) || first >= FS_PLAN_FAR ||
            second >= FS_PLAN_FAR)
            return false;
        second += halves;
    }
    place->at = FS_FRAME_SCRATCH + FS_GATHERED_ALIGN * d->gathered++;
    d->second[d->more++] = (uint8_t)first;
    d->second[d->more++] = (uint8_t)second;
    return true;
}
#else
static bool take_pieces(struct draft *d, struct fs_place *place)
{
    return (void)d, (void)place, false;
}
#endif

static bool take_second(struct draft *d, unsigned index, struct fs_place *place)
{
    if (place->way == FS_GATHERED)
        return take_pieces(d, place);
#ifdef FS_PLAN_TAIL
    d->second[d->more++] = (uint8_t)(FS_PLAN_REFERENCE + index);
    return true;
#else
    return (void)index, false; /* the slot has no second list */
#endif
}

static void take_indirect(struct draft *d, unsigned index, struct fs_place *place)
{
    if (place->way == FS_GATHERED)
        d->pieces += place->pieces;
    else
        d->references++;
    if (d->fits)
        d->fits = take_second(d, index, place);
}

static int first_pass(const ffi_cif *cif, struct draft *d)
{
    int error = fs_abi_begin(&d->abi, cif);
    if (error)
        return error;
    d->references = d->pieces = d->more = d->gathered = 0;
    d->fits = cif->nargs <= FS_PLAN_INLINE;
    for (unsigned i = 0; i < cif->nargs; i++) {
        struct fs_place place;
        if ((error = fs_abi_argument(&d->abi, cif->arg_types[i], i, &place)))
            return error;
        if (place.way != FS_DIRECT)
            take_indirect(d, i, &place);
        uint32_t unit = in_units(place.at);
        if (unit > PLACE_MAX || cif->nargs + d->more > FS_PLAN_INLINE)
            d->fits = false;
        if (d->fits)
            d->place[i] = (uint8_t)unit;
    }
    return 0;
}

static const char changed[] = "the cif's types were changed while the plan was made";

/* Where the lists of a long plan are filled to. */
struct filled {
    uint32_t references, pieces, scratch;
};

static int fill(struct fs_long *p, struct filled *to, unsigned index, const ffi_type *type,
                const struct fs_place *place)
{
    p->word[index] = place->at;
    if (place->way == FS_BY_REFERENCE) {
        if (to->references == p->references)
            return fs_fail(-EINVAL, changed);
        fs_long_references(p)[to->references++] = index;
    } else if (place->way == FS_GATHERED) {
        if (to->pieces + place->pieces > p->pieces)
            return fs_fail(-EINVAL, changed);
        uint32_t at = to->scratch;
        to->scratch += align_up((uint32_t)type->size, FS_GATHERED_ALIGN);
        p->word[index] = FS_IN_SCRATCH | at;
        struct fs_long_piece *piece = fs_long_pieces(p) + to->pieces;
        for (unsigned k = 0; k < place->pieces; k++)
            piece[k] = (struct fs_long_piece){place->piece[k].from, at + place->piece[k].to,
                                              place->piece[k].size};
        to->pieces += place->pieces;
    }
    return 0;
}

static int second_pass(const ffi_cif *cif, const struct draft *d, struct fs_planned *out)
{
    size_t words = fs_long_places(cif->nargs) + d->references +
                   d->pieces * (sizeof(struct fs_long_piece) / sizeof(uint32_t));
    struct fs_long *p = calloc(1, sizeof *p + words * sizeof p->word[0]);
    if (!p)
        return fs_fail(-ENOMEM, "no memory for the plan of %u arguments", cif->nargs);
    *p = (struct fs_long){.nargs = cif->nargs,
                          .references = d->references,
                          .pieces = d->pieces,
                          .tail = fs_abi_tail_code(&d->abi),
#ifdef FS_LONG_POP
                          .popped = (uint16_t)d->abi.popped
#else
                          .vec_stride = (uint8_t)(d->abi.vec ? d->abi.vec_stride : 0),
                          .home = d->abi.home
#endif
    };
    struct fs_abi abi;
    struct filled to = {0, 0, 0};
    int error = fs_abi_begin(&abi, cif);
    for (unsigned i = 0; i < cif->nargs && !error; i++) {
        struct fs_place place;
        error = fs_abi_argument(&abi, cif->arg_types[i], i, &place);
        if (!error)
            error = fill(p, &to, i, cif->arg_types[i], &place);
    }
    if (error) { /* the types changed under our hands */
        free(p);
        return error;
    }
    p->scratch = to.scratch;
    out->entry = (void *)fs_entry_long;
    out->body.spill = p;
    return 0;
}

/* Their places, which always fit, are in the slot then, as if the entry were a planned one. */
#ifdef FS_SCALAR_PLACES
#define SCALARS_READ_PLACES true
#else
#define SCALARS_READ_PLACES false
#endif

/* Into the slot, as slot.h draws it. */
static void write_plan(const struct draft *d, unsigned nargs, struct fs_plan *plan)
{
#ifdef FS_PLAN_FIELD
    *plan = (struct fs_plan){{(uint32_t)nargs << FS_PLAN_NARGS_BIT, 0}};
    for (unsigned i = 0; i < nargs; i++)
        plan->word[i < FS_PLAN_FIRST] |= (uint32_t)d->place[i] << i % FS_PLAN_FIRST * FS_PLAN_FIELD;
#else
    plan->nargs = (uint8_t)nargs;
    memcpy(plan->bytes, d->place, nargs);
#ifdef FS_PLAN_TAIL
    plan->more = (uint8_t)d->more;
    plan->tail = fs_abi_tail_code(&d->abi);
    memcpy(plan->bytes + nargs, d->second, d->more);
#endif
#endif
}

int fs_plan_compile(const ffi_cif *cif, struct fs_planned *out)
{
    struct draft d;
    int error = check_cif(cif);
    if (error || (error = first_pass(cif, &d)))
        return error;
    *out = (struct fs_planned){.entry = fs_abi_entry(&d.abi, cif->nargs)};
    if (out->entry && !SCALARS_READ_PLACES)
        return 0;
#ifdef FS_SLOT_REST
    if ((out->entry = fs_abi_shaped_entry(&d.abi, cif->nargs, &out->body)))
        return 0;
#endif
    if (!out->entry && d.fits)
        out->entry = fs_abi_plan_entry(&d.abi);
    if (!out->entry) /* or none of the planned ones does it */
        return second_pass(cif, &d, out);
    write_plan(&d, cif->nargs, &out->body.plan);
    return 0;
}
