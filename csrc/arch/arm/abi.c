/* SPDX-License-Identifier: MIT */
/* abi.c - ARM: parameter passing of AAPCS32 (section 6.5, and 7.1.2 for its VFP variant), on
 * libffi's types
 *
 * The base standard (libffi: FFI_SYSV) passes everything in r0 to r3 and on the stack. What is not
 * whole in registers may be split between both; the entries save r0 to r3 right below the caller's
 * stack arguments, so it is whole there. A value whose alignment is 8 begins at an even register or
 * a multiple of 8.
 *
 * The VFP variant (FFI_VFP), where floating arguments are in registers of their own, passes floats,
 * doubles and homogeneous aggregates in s0 to s15, of which each pair is a d register. An argument
 * takes the lowest registers that are free and fit, also ones that an earlier argument left out
 * ("back-filling"); after the first that is on the stack no other is in these registers. A variadic
 * function follows the base standard, so its cif says FFI_SYSV (ffi_prep_cif_var()).
 *
 * An aggregate's own alignment, as an attribute gives it, counts for its address and not for how it
 * is passed: that is the largest of its members ("natural alignment"), and at most 8. Rules are
 * named as there: C.3, C.1.vfp.
 */
#include <ffi.h>

#ifdef __ARM_PCS_VFP
#define FS_ABI_TAKEN FFI_VFP
#define FS_ABI_NAME "FFI_SYSV (1) and FFI_VFP"
#define FS_ABI_IS_TAKEN(abi) ((abi) == FFI_SYSV || (abi) == FFI_VFP)
#define FS_FLOAT_CLASS SINGLE
#define FS_DOUBLE_CLASS VEC
#else
#define FS_ABI_TAKEN FFI_SYSV
#define FS_ABI_NAME "FFI_SYSV"
#define FS_FLOAT_CLASS GPR
#define FS_DOUBLE_CLASS 0
#endif
#include "arch/abi_common.h"

/* SINGLES: s0 to s15. NO_VFP: the base standard's vec_stride, since no argument is there. */
enum { CORE = 4, SINGLES = 16, NO_VFP = 0, WORD = 4, HOMOGENEOUS_MAX = 4 };

#include "arch/abi_alignment.h"
#include "arch/abi_homogeneous.h"

static unsigned in_core_tail(const ffi_type *t)
{
    return t->size > WORD ? FS_TAIL_MEM : FS_TAIL_U32;
}

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct homogeneous h;
    int error = classify(t, &h);
    if (!error)
        *tail = h.count ? FS_TAIL_PAIR : in_core_tail(t);
    return error;
}

static bool has_vfp(ffi_abi abi)
{
#ifdef __ARM_PCS_VFP
    return abi == FFI_VFP;
#else
    return (void)abi, false;
#endif
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){.stack = FS_FRAME_STACK,
                           .tail = FS_TAIL_WORD,
                           .vec_stride = has_vfp(cif->abi) ? WORD : NO_VFP,
                           .only_gpr = true,
                           .only_vec = true,
                           .only_single = true};
    int error = begin_with_result(abi, cif);
    if (abi->tail == FS_TAIL_PAIR && abi->vec_stride == NO_VFP)
        abi->tail = in_core_tail(cif->rtype);
    if (abi->tail == FS_TAIL_MEM)
        abi->gpr = 1; /* r0 is the hidden pointer */
    return error;
}

/* C.6 to C.8: an argument on the stack begins at a multiple of 4 or 8. */
static void place_on_stack(struct fs_abi *abi, size_t size, size_t alignment,
                           struct fs_place *place)
{
    uint32_t at = abi->stack - FS_FRAME_STACK;
    if (alignment > WORD)
        at = (uint32_t)align_up(at, 2 * WORD);
    place->at = FS_FRAME_STACK + at;
    abi->stack = FS_FRAME_STACK + at + (uint32_t)align_up(size, WORD);
}

/* C.3 to C.5: as many core registers as it has words, the first of an even number if the alignment
 * is 8; the rest on the stack, if nothing is there yet. What does not even begin in a register
 * closes them for all that follow. */
static void place_core(struct fs_abi *abi, size_t size, size_t alignment, struct fs_place *place)
{
    uint32_t words = (uint32_t)align_up(size, WORD) / WORD;
    abi->only_vec = abi->only_single = false;
    abi->only_gpr &= words == 1;
    if (alignment > WORD)
        abi->gpr = (unsigned)align_up(abi->gpr, 2);
    uint32_t left = abi->gpr < CORE ? CORE - abi->gpr : 0;
    if (words > left && (!left || abi->stack != FS_FRAME_STACK)) {
        abi->gpr = CORE;
        place_on_stack(abi, size, alignment, place);
        return;
    }
    place->at = FS_FRAME_GPR + WORD * abi->gpr;
    abi->gpr += words < left ? words : left;
    if (words > left)
        abi->stack += WORD * (words - left);
}

/* C.1.vfp and C.2.vfp. abi->vec has a bit for each of s0 to s15 that is taken. */
static void place_vfp(struct fs_abi *abi, const ffi_type *t, size_t alignment, struct homogeneous h,
                      struct fs_place *place)
{
    unsigned step = h.size / WORD, n = h.count * step, bits = (1u << n) - 1, first = 0;
    abi->only_gpr = false;
    while (first + n <= SINGLES && abi->vec & bits << first)
        first += step;
    if (first + n > SINGLES) {
        abi->vec = (1u << SINGLES) - 1;
        abi->only_vec = abi->only_single = false;
        place_on_stack(abi, t->size, alignment, place);
        return;
    }
    abi->vec |= bits << first;
    place->at = FS_FRAME_VEC + WORD * first;
    bool scalar = !is_aggregate(t);
    abi->only_single &= scalar && step == 1;
    abi->only_vec &= scalar && step == 2;
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    struct homogeneous h;
    int error = classify(t, &h);
    if (error)
        return error;
    if (t->size == 0) { /* GNU C's empty struct takes no place; any address serves */
        abi->only_gpr = abi->only_vec = abi->only_single = false;
        place->at = FS_FRAME_GPR;
        return 0;
    }
    if (h.count && abi->vec_stride != NO_VFP)
        place_vfp(abi, t, natural_alignment(t), h, place);
    else
        place_core(abi, t->size, natural_alignment(t), place);
    mind_alignment(t, place, 2 * WORD);
    return 0;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    place->way = FS_DIRECT;
    int error = check_argument(abi, t, index);
    if (error)
        return error;
    if (is_aggregate(t))
        return place_aggregate(abi, t, place);
    if ((error = check_scalar(t, "argument", index)))
        return error;
    unsigned floating = floating_size(t->type);
    if (floating && abi->vec_stride != NO_VFP)
        place_vfp(abi, t, t->size, (struct homogeneous){1, floating}, place);
    else
        place_core(abi, t->size, t->size, place);
    return 0;
}

extern FS_HIDDEN void *const fs_planned_g[FS_TAILS];
extern FS_HIDDEN void *const fs_planned_v[FS_TAILS];

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
#ifdef __ARM_PCS_VFP
    if (abi->vec)
        return fs_planned_v[abi->tail];
#endif
    return fs_planned_g[abi->tail];
}
