/* SPDX-License-Identifier: MIT */
/* abi.c - s390x: parameter passing of the s390x ELF ABI (section "Parameter Passing"), on libffi's
 * types
 *
 * Five general and four floating registers carry arguments. A struct or union of 1, 2, 4 or 8 bytes
 * is passed as an integer of its size; any other, every complex and a long double are held by the
 * caller, and their address is the argument. Only a struct around one float or double, and nothing
 * else, is passed as that. Every argument takes one register or 8 bytes of the stack, so nothing is
 * ever in pieces.
 *
 * The machine is big-endian: what is narrower than a general register or a stack place lies at the
 * end of it. A floating register has its float at the beginning.
 *
 * Vector registers carry vectors and structs around one, which libffi has no types for.
 */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_SYSV
#define FS_ABI_NAME "FFI_SYSV"
#define FS_TAIL_LONGDOUBLE FS_TAIL_MEM
#include "arch/abi_common.h"

enum { GENERAL = 5, FLOATING = 4 };

static bool is_floating(int type)
{
    return type == FFI_TYPE_FLOAT || type == FFI_TYPE_DOUBLE;
}

/* What a type is, down to its leaves. */
struct seen {
    bool any;  /* leaf */
    int alone; /* FFI_TYPE_FLOAT or _DOUBLE: the only one, and not in a union; else 0 */
};

static int visit(const ffi_type *t, struct seen *is, unsigned *nodes, unsigned depth);

static int visit_members(const ffi_type *t, struct seen *is, unsigned *nodes, unsigned depth)
{
    enum layout layout = PLAIN;
    int error = find_layout(t, &layout);
    for (ffi_type **e = t->elements; !error && *e; e++) {
        struct seen member = {false, 0};
        if (e > t->elements && e[0] == e[-1]) /* an array's next element: nothing new in it */
            member.any = is->any;
        else if ((error = visit(*e, &member, nodes, depth + 1)))
            break;
        is->any |= member.any;
        is->alone = e == t->elements && layout != UNION ? member.alone : 0;
    }
    if (t->type == FFI_TYPE_COMPLEX)
        is->alone = 0;
    return error;
}

static int visit(const ffi_type *t, struct seen *is, unsigned *nodes, unsigned depth)
{
    *is = (struct seen){false, 0};
    int error = check_node(t, nodes, depth);
    if (error)
        return error;
    if (is_aggregate(t))
        return visit_members(t, is, nodes, depth);
    if (scalar_size(t) == 0 || t->size != scalar_size(t))
        return bad_type(t, "not a type that a struct can hold");
    *is = (struct seen){true, is_floating(t->type) ? t->type : 0};
    return 0;
}

static int look_at(const ffi_type *t, struct seen *is)
{
    unsigned nodes = 0;
    int error = visit(t, is, &nodes, 0);
    if (!error && t->size == 0 && is->any)
        return bad_type(t, "incomplete: it has members but no size");
    return error;
}

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct seen is;
    *tail = FS_TAIL_MEM;
    return look_at(t, &is);
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){
        .stack = FS_FRAME_STACK, .tail = FS_TAIL_WORD, .only_gpr = true, .only_vec = true};
    int error = begin_with_result(abi, cif);
    if (!error && abi->tail == FS_TAIL_MEM)
        abi->gpr = 1; /* its address is a first argument */
    return error;
}

static void place_on_stack(struct fs_abi *abi, size_t size, struct fs_place *place)
{
    place->at = abi->stack + 8 - (uint32_t)size;
    abi->stack += 8;
    abi->only_gpr = abi->only_vec = false;
}

static void place_general(struct fs_abi *abi, size_t size, struct fs_place *place)
{
    abi->only_vec = false;
    if (abi->gpr == GENERAL)
        place_on_stack(abi, size, place);
    else
        place->at = FS_FRAME_GPR + 8 * abi->gpr++ + 8 - (uint32_t)size;
}

static void place_floating(struct fs_abi *abi, size_t size, struct fs_place *place)
{
    abi->only_gpr = false;
    if (abi->vec == FLOATING)
        place_on_stack(abi, size, place);
    else
        place->at = FS_FRAME_VEC + 8 * abi->vec++;
}

static void place_by_reference(struct fs_abi *abi, struct fs_place *place)
{
    place_general(abi, sizeof(void *), place);
    place->way = FS_BY_REFERENCE;
    abi->only_gpr = false;
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    struct seen is;
    int error = look_at(t, &is);
    if (error)
        return error;
    bool fits = t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8;
    if (t->type == FFI_TYPE_COMPLEX || !fits)
        place_by_reference(abi, place);
    else if (is.alone)
        place_floating(abi, t->size, place);
    else
        place_general(abi, t->size, place);
    return 0;
}

static int place_scalar(struct fs_abi *abi, const ffi_type *t, unsigned index,
                        struct fs_place *place)
{
    int error = check_scalar(t, "argument", index);
    if (error)
        return error;
    if (is_floating(t->type))
        place_floating(abi, t->size, place);
    else if (t->type == FFI_TYPE_LONGDOUBLE)
        place_by_reference(abi, place);
    else
        place_general(abi, t->size, place);
    return 0;
}

/* Of the arguments so far and one more. */
static unsigned shape_with(unsigned shape, bool by_reference)
{
    unsigned last = by_reference ? 1 : 0;
    if (shape == FS_SHAPE_NONE)
        return FS_SHAPE_ONE + last;
    if (shape < FS_SHAPE_TWO)
        return FS_SHAPE_TWO + 2 * (shape - FS_SHAPE_ONE) + last;
    return FS_SHAPE_MORE;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    place->way = FS_DIRECT;
    int error = check_argument(abi, t, index);
    if (error)
        return error;
    if (is_aggregate(t))
        error = place_aggregate(abi, t, place);
    else
        error = place_scalar(abi, t, index, place);
    abi->shape = shape_with(abi->shape, place->way == FS_BY_REFERENCE);
    return error;
}

extern FS_HIDDEN void *const fs_planned[FS_PLANNED_TAILS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_few[FS_PLANNED_TAILS][FS_SHAPE_MORE][FS_FEW_VEC_BUCKETS];

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    unsigned tail = abi->tail < FS_FAST_TAILS ? abi->tail : FS_FAST_TAILS;
    if (abi->shape < FS_SHAPE_MORE)
        return fs_few[tail][abi->shape][abi->vec > 0];
    return fs_planned[tail][(abi->vec + 1) / 2];
}
