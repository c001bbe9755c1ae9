/* SPDX-License-Identifier: MIT */
/* abi.c - AArch64: parameter passing of AAPCS64 (section 6.8, "Parameter passing"), on libffi's
 * types
 *
 * A homogeneous aggregate, of one to four floats, doubles or long doubles and nothing else, goes in
 * as many vector registers, or on the stack. Any other of at most 16 bytes goes in one or two
 * general registers, or on the stack; a larger one is held by the caller, and its address is the
 * argument. Nothing is ever split between registers and stack.
 *
 * An aggregate's own alignment, as an attribute gives it, counts for its address and not for how it
 * is passed: that is the largest of its members ("natural alignment"). Where the two differ, the
 * argument may lie where its alignment does not want it, and is gathered for the handler.
 *
 * Rules are named as there: A.1, B.5, C.10.
 */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_SYSV
#define FS_ABI_NAME "FFI_SYSV"
#define FS_TAIL_LONGDOUBLE FS_TAIL_QUADS
#include "arch/abi_common.h"

enum { REGISTERS = 8, HOMOGENEOUS_MAX = 4, IN_REGISTERS_MAX = 16 };

#include "arch/abi_alignment.h"
#include "arch/abi_homogeneous.h"

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct homogeneous h;
    int error = classify(t, &h);
    if (error)
        return error;
    if (h.count)
        *tail = h.size == 4 ? FS_TAIL_FLOATS : h.size == 8 ? FS_TAIL_PAIR_D : FS_TAIL_QUADS;
    else
        *tail = t->size > IN_REGISTERS_MAX ? FS_TAIL_MEM : FS_TAIL_PAIR;
    return 0;
}

/* How wide the vector registers' values are, 0 if `t` is in none; *together: some in a struct. */
static unsigned vector_width(const ffi_type *t, bool *together)
{
    struct homogeneous h;
    if (!t)
        return 0;
    if (!is_aggregate(t))
        return floating_size(t->type);
    if (t->size > HOMOGENEOUS_MAX * sizeof(long double) || classify(t, &h))
        return 0; /* an error is found again, and returned, when its turn comes */
    *together |= h.count > 1;
    return h.size;
}

/* See arch.h, at the frame. */
static unsigned find_stride(const ffi_cif *cif)
{
    bool together = false;
    unsigned widths = 0;
    for (unsigned i = 0; i < cif->nargs; i++)
        widths |= vector_width(cif->arg_types[i], &together);
    return widths & 16 ? 16 : widths == 4 && together ? 4 : 8;
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){.stack = FS_FRAME_STACK,
                           .tail = FS_TAIL_WORD,
                           .vec_stride = find_stride(cif),
                           .only_gpr = true,
                           .only_vec = true};
    int error = begin_with_result(abi, cif);
    if (abi->tail == FS_TAIL_QUADS) /* whose planned entries save them whole */
        abi->vec_stride = 16;
    return error;
}

/* C.4, C.14: an argument on the stack begins at a multiple of 8, or of 16 if its alignment is. */
static void place_on_stack(struct fs_abi *abi, size_t size, size_t alignment,
                           struct fs_place *place)
{
    uint32_t at = abi->stack - FS_FRAME_STACK;
    if (alignment > 8)
        at = (uint32_t)align_up(at, 16);
    place->at = FS_FRAME_STACK + at;
    abi->stack = FS_FRAME_STACK + at + (uint32_t)align_up(size, 8);
    abi->only_gpr = abi->only_vec = false;
}

/* C.9 to C.13: one general register, or two, of which the first has an even number if the alignment
 * is
 * 16. What does not fit closes them for all that follow. */
static void place_general(struct fs_abi *abi, size_t size, size_t alignment, struct fs_place *place)
{
    unsigned n = size > 8 ? 2 : 1;
    if (n == 2 && alignment > 8)
        abi->gpr = (unsigned)align_up(abi->gpr, 2);
    if (abi->gpr + n > REGISTERS) {
        abi->gpr = REGISTERS;
        place_on_stack(abi, size, alignment, place);
        return;
    }
    place->at = FS_FRAME_GPR + 8 * abi->gpr;
    abi->gpr += n;
}

/* C.1 to C.3: `count` vector registers. The last ones, which are too few, stay empty. */
static void place_vector(struct fs_abi *abi, const ffi_type *t, size_t alignment,
                         struct homogeneous h, struct fs_place *place)
{
    if (abi->vec + h.count > REGISTERS) {
        abi->vec = REGISTERS;
        place_on_stack(abi, t->size, alignment, place);
        return;
    }
    place->at = FS_FRAME_VEC + abi->vec * abi->vec_stride;
    abi->vec += h.count;
    if (h.count == 1 || h.size == abi->vec_stride)
        return;
    place->way = FS_GATHERED;
    place->pieces = (uint8_t)h.count;
    for (unsigned i = 0; i < h.count; i++)
        place->piece[i] = (struct fs_piece){place->at + i * abi->vec_stride, i * h.size, h.size};
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    struct homogeneous h;
    int error = classify(t, &h);
    if (error)
        return error;
    abi->only_gpr = abi->only_vec = false;
    if (t->size == 0) { /* GNU C's empty struct takes no place; any address serves */
        place->at = FS_FRAME_RET;
        return 0;
    }
    if (!h.count && t->size > IN_REGISTERS_MAX) { /* B.4 */
        place_general(abi, sizeof(void *), sizeof(void *), place);
        place->way = FS_BY_REFERENCE;
        return 0;
    }
    if (h.count)
        place_vector(abi, t, natural_alignment(t), h, place);
    else
        place_general(abi, t->size, natural_alignment(t), place);
    mind_alignment(t, place, 16);
    return 0;
}

static int place_argument(struct fs_abi *abi, const ffi_type *t, unsigned index,
                          struct fs_place *place)
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
    if (!floating) {
        abi->only_vec = false;
        place_general(abi, t->size, t->size, place);
        return 0;
    }
    abi->only_gpr = false;
    if (floating > 8) /* scalar entries save 8 bytes of each */
        abi->only_vec = false;
    place_vector(abi, t, t->size, (struct homogeneous){1, floating}, place);
    return 0;
}

/* What the entry for one argument saves, 0 if there is none. */
static unsigned one_shape(const struct fs_abi *abi, const struct fs_place *place)
{
    if (place->way == FS_BY_REFERENCE)
        return FS_ONE_R;
    if (place->way == FS_DIRECT && place->at == FS_FRAME_GPR)
        return FS_ONE_G;
    if (place->way == FS_DIRECT && place->at == FS_FRAME_VEC)
        return abi->vec_stride == 8 ? FS_ONE_D : abi->vec_stride == 4 ? FS_ONE_S : FS_ONE_Q;
    return 0;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    int error = place_argument(abi, t, index, place);
    if (!error && index == 0)
        abi->shape = one_shape(abi, place);
    return error;
}

extern FS_HIDDEN void *const fs_one[FS_ONE_SHAPES][FS_ONE_TAILS];

static void *one_entry(const struct fs_abi *abi)
{
    unsigned others = FS_ONE_TAILS - 3, tail = abi->tail;
    if (tail >= FS_TAIL_MEM)
        tail = others + (tail - FS_TAIL_MEM);
    return abi->shape ? fs_one[abi->shape - 1][tail] : NULL;
}

extern FS_HIDDEN void *const fs_planned_u[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_m[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_d[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_q[FS_GPR_BUCKETS];

/* Which of a row's entries saves `vec` registers so far apart. */
static unsigned vec_bucket(const struct fs_abi *abi)
{
    static const unsigned char as_doubles[REGISTERS + 1] = {0, 1, 1, 2, 2, 3, 3, 3, 3};
    enum { AS_FLOATS = 4, WHOLE = 5 };
    if (!abi->vec)
        return 0;
    return abi->vec_stride == 8 ? as_doubles[abi->vec] : abi->vec_stride == 4 ? AS_FLOATS : WHOLE;
}

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    unsigned gpr = (abi->gpr + 1) / 2, vec = vec_bucket(abi);
    int16_t tail = fs_abi_tail_code(abi);
    if (abi->tail == FS_TAIL_QUADS)
        return fs_planned_q[gpr];
    return tail == 0  ? fs_planned_u[gpr][vec]
           : tail < 0 ? fs_planned_m[gpr][vec]
                      : fs_planned_d[gpr][vec];
}
