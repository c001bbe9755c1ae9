/* SPDX-License-Identifier: MIT */
/* abi_lp64.h - parameter passing of RISC-V and LoongArch, LP64, on libffi's types
 *
 * Not a header for others: abi.c of either includes it once, after it has defined what abi_common.h
 * asks for and
 *
 *   FS_ABI_NAMED(cif)  how many of its arguments are not a variadic function's further ones
 *
 * Sources: RISC-V ELF psABI, "Integer Calling Convention" and "Hardware Floating-point Calling
 * Convention"; LoongArch psABI, "Procedure Calling Convention". In short:
 *
 * Floating-point scalars go in floating-point registers that hold them, while there are some. A
 * struct that is, flattened, one or two floating-point members, or one and an integer, goes in as
 * many registers, one a member, if there are enough. A union is never flattened, and a pointer is
 * not an integer (gcc and clang agree). Everything else goes in general registers, a struct as its
 * words, the last of which may be on the stack; what is larger than two words is held by the
 * caller, and its address is the argument. Further arguments of a variadic function know no
 * floating-point registers, and those of alignment 16 begin at a register of even number.
 */
#ifndef FS_ABI_LP64_H
#define FS_ABI_LP64_H

#define FS_TAIL_LONGDOUBLE FS_TAIL_PAIR
#define FS_FLOAT_CLASS (FS_FLEN >= 4 ? VEC : GPR)
#define FS_DOUBLE_CLASS (FS_FLEN >= 8 ? VEC : GPR)
#include "arch/abi_common.h"
#include "arch/slot.h"

enum { REGISTERS = 8, IN_REGISTERS_MAX = 16 };

/* An aggregate's members, flattened: `count` of them, or `none` where it is not passed so. */
struct member {
    size_t at, size;
    bool is_float;
};
struct members {
    struct member member[2];
    unsigned count, nodes;
    bool none, any;
};

/* Is it in a floating-point register by itself? */
static bool is_floating(const ffi_type *t)
{
    return (t->type == FFI_TYPE_FLOAT || t->type == FFI_TYPE_DOUBLE) && t->size <= FS_FLEN;
}

static bool is_integer(const ffi_type *t)
{
    return t->type != FFI_TYPE_FLOAT && t->type != FFI_TYPE_DOUBLE && t->type != FFI_TYPE_POINTER &&
           t->size <= 8;
}

static void add_member(struct members *all, const ffi_type *t, size_t at)
{
    all->any = true;
    if (all->count == 2 || (!is_floating(t) && !is_integer(t))) {
        all->none = true;
        return;
    }
    all->member[all->count++] = (struct member){at, t->size, is_floating(t)};
}

static int add_members(struct members *all, const ffi_type *t, size_t at, unsigned depth);

static int add_elements(struct members *all, const ffi_type *t, size_t at, unsigned depth)
{
    enum layout layout = PLAIN;
    int error = find_layout(t, &layout);
    if (error)
        return error;
    all->none |= layout == UNION;
    size_t end = 0;
    for (ffi_type **e = t->elements; *e; e++) {
        size_t alignment = (*e)->alignment; /* which packing reduces to the whole's */
        if (layout == PACKED && alignment > t->alignment)
            alignment = t->alignment;
        end = align_up(end, alignment);
        if (all->none && e > t->elements && e[0] == e[-1])
            continue; /* an array's next element: nothing new in it */
        if ((error = add_members(all, *e, at + end, depth)))
            return error;
        end += (*e)->size;
    }
    if (t->type == FFI_TYPE_COMPLEX && end) /* one element stands for both parts */
        return add_members(all, t->elements[0], at + end, depth);
    return 0;
}

static int add_members(struct members *all, const ffi_type *t, size_t at, unsigned depth)
{
    int error = check_node(t, &all->nodes, depth);
    if (error)
        return error;
    if (is_aggregate(t))
        return add_elements(all, t, at, depth + 1);
    if (scalar_size(t) == 0 || t->size != scalar_size(t))
        return bad_type(t, "not a type that a struct can hold");
    add_member(all, t, at);
    return 0;
}

/* count = 0: not one that goes in a register a member. */
static int flatten(const ffi_type *t, struct members *is)
{
    *is = (struct members){.count = 0};
    int error = add_members(is, t, 0, 0);
    if (error)
        return error;
    if (t->size == 0 && is->any)
        return bad_type(t, "incomplete: it has members but no size");
    bool any_float =
        (is->count > 0 && is->member[0].is_float) || (is->count > 1 && is->member[1].is_float);
    if (is->none || !any_float)
        is->count = 0;
    return 0;
}

/* Which tail loads these: by what the first and the second are, G, F or D. */
static unsigned tail_of_two(const struct member *m, bool near)
{
    static const unsigned char far_tails[3][3] = {{0, FS_TAIL_GF8, FS_TAIL_GD8},
                                                  {FS_TAIL_FG8, FS_TAIL_FF8, FS_TAIL_FD8},
                                                  {FS_TAIL_DG8, FS_TAIL_DF8, FS_TAIL_DD8}};
    static const unsigned char near_tails[2][2] = {{0, FS_TAIL_GF4}, {FS_TAIL_FG4, FS_TAIL_FF4}};
    unsigned kind[2];
    for (unsigned i = 0; i < 2; i++)
        kind[i] = !m[i].is_float ? 0 : m[i].size == 4 ? 1 : 2;
    return near ? near_tails[kind[0]][kind[1]] : far_tails[kind[0]][kind[1]];
}

static int flattened_tail(const ffi_type *t, const struct members *is, unsigned *tail)
{
    struct member m[2] = {is->member[0], is->member[1]};
    if (t->size > FS_FRAME_RET_SIZE)
        return fs_fail(-ENOTSUP,
                       "the result is a struct of %zu bytes in registers; " FS_ARCH_NAME
                       " closures return at most %d so",
                       t->size, FS_FRAME_RET_SIZE);
    bool large = t->size > IN_REGISTERS_MAX;
    if (is->count == 1 && !large) {
        *tail = m[0].size == 4 ? FS_TAIL_U32 : FS_TAIL_WORD;
        return 0;
    }
    if (is->count == 1)
        m[1] = (struct member){8, 8, true};
    if (m[1].at == 4 && m[1].size <= 4 && m[0].size <= 4 && !large)
        *tail = tail_of_two(m, true);
    else if (m[1].at == 8 && !large)
        *tail = m[0].size == 8 && m[1].size == 8 && m[0].is_float && m[1].is_float
                    ? FS_TAIL_PAIR_D
                    : tail_of_two(m, false);
    else
        *tail = tail_of_two(m, false) + FS_TAIL_SECOND((unsigned)m[1].at);
    return 0;
}

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct members is;
    int error = flatten(t, &is);
    if (error)
        return error;
    if (is.count)
        return flattened_tail(t, &is, tail);
    *tail = t->size > IN_REGISTERS_MAX ? FS_TAIL_MEM : FS_TAIL_PAIR;
    return 0;
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){.stack = FS_FRAME_STACK,
                           .tail = FS_TAIL_WORD,
                           .vec_stride = 8,
                           .order = 1,
                           .in_order = true,
                           .only_gpr = true,
                           .only_vec = true};
    int error = begin_with_result(abi, cif);
    if (!error) {
        abi->named = FS_ABI_NAMED(cif);
        abi->gpr = abi->tail == FS_TAIL_MEM;
    }
    return error;
}

/* An argument on the stack begins at a multiple of 8, or of 16 if its alignment is. */
static void place_on_stack(struct fs_abi *abi, size_t size, size_t alignment,
                           struct fs_place *place)
{
    uint32_t at = abi->stack - FS_FRAME_STACK;
    if (alignment > 8)
        at = (uint32_t)align_up(at, 16);
    place->at = FS_FRAME_STACK + at;
    abi->stack = FS_FRAME_STACK + at + (uint32_t)align_up(size, 8);
    abi->only_gpr = false;
}

/* One or two words in general registers. Of two, the second may be the first on the stack, which is
 * right behind the last register in the frame. */
static void place_general(struct fs_abi *abi, size_t size, size_t alignment, struct fs_place *place)
{
    unsigned words = size > 8 ? 2 : 1;
    abi->only_vec = false;
    if (abi->gpr == REGISTERS) {
        place_on_stack(abi, size, alignment, place);
        return;
    }
    place->at = FS_FRAME_GPR + 8 * abi->gpr;
    abi->gpr += words;
    if (words > 1)
        abi->only_gpr = false;
    if (abi->gpr > REGISTERS) {
        abi->gpr = REGISTERS;
        abi->stack += 8;
    }
}

/* The same for a variadic function's further arguments. */
static void place_further(struct fs_abi *abi, size_t size, size_t alignment, struct fs_place *place)
{
    if (alignment > 8)
        abi->gpr = (unsigned)align_up(abi->gpr, 2);
    place_general(abi, size, alignment, place);
}

/* What is whole, but not where its alignment wants it: put together elsewhere. */
static void mind_alignment(const ffi_type *t, struct fs_place *place)
{
    if (place->way != FS_DIRECT || t->alignment <= 8 || place->at % FS_GATHERED_ALIGN == 0)
        return;
    place->way = FS_GATHERED;
    place->pieces = 2;
    for (unsigned i = 0; i < 2; i++)
        place->piece[i] = (struct fs_piece){place->at + 8 * i, (uint16_t)(8 * i), 8};
}

static bool has_room(const struct fs_abi *abi, const struct members *is)
{
    unsigned floats = 0;
    for (unsigned i = 0; i < is->count; i++)
        floats += is->member[i].is_float;
    return floats && abi->vec + floats <= REGISTERS && abi->gpr + is->count - floats <= REGISTERS;
}

/* A register a member. One alone, and two doubles, are whole in the frame. */
static void place_members(struct fs_abi *abi, const ffi_type *t, const struct members *is,
                          struct fs_place *place)
{
    for (unsigned i = 0; i < is->count; i++) {
        const struct member *m = &is->member[i];
        uint32_t from = m->is_float ? FS_FRAME_VEC + 8 * abi->vec++ : FS_FRAME_GPR + 8 * abi->gpr++;
        place->piece[i] = (struct fs_piece){from, (uint16_t)m->at, (uint16_t)m->size};
    }
    place->at = place->piece[0].from;
    place->pieces = (uint8_t)is->count;
    bool whole = is->count == 1 ||
                 (is->member[1].at == 8 && is->member[0].is_float && is->member[1].is_float);
    if (!whole || t->size > IN_REGISTERS_MAX)
        place->way = FS_GATHERED;
    mind_alignment(t, place);
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, bool named,
                           struct fs_place *place)
{
    struct members is;
    int error = flatten(t, &is);
    if (error)
        return error;
    abi->only_gpr = abi->only_vec = false;
    if (t->size == 0) { /* GNU C's empty struct takes no place; any address serves */
        place->at = FS_FRAME_SCRATCH;
        return 0;
    }
    if (named && has_room(abi, &is)) {
        place_members(abi, t, &is, place);
        return 0;
    }
    if (t->size > IN_REGISTERS_MAX) {
        place_general(abi, sizeof(void *), sizeof(void *), place);
        place->way = FS_BY_REFERENCE;
        return 0;
    }
    (named ? place_general : place_further)(abi, t->size, t->alignment, place);
    mind_alignment(t, place);
    return 0;
}

static int place_argument(struct fs_abi *abi, const ffi_type *t, unsigned index,
                          struct fs_place *place)
{
    bool named = index < abi->named;
    place->way = FS_DIRECT;
    int error = check_argument(abi, t, index);
    if (error)
        return error;
    if (is_aggregate(t))
        return place_aggregate(abi, t, named, place);
    if ((error = check_scalar(t, "argument", index)))
        return error;
    if (named && is_floating(t) && abi->vec < REGISTERS) {
        place->at = FS_FRAME_VEC + 8 * abi->vec++;
        abi->only_gpr = false;
        return 0;
    }
    (named ? place_general : place_further)(abi, t->size, t->size, place);
    mind_alignment(t, place);
    return 0;
}

static bool is_saved_floating(uint32_t at)
{
    return at >= FS_FRAME_VEC && at < FS_FRAME_GPR;
}

/* Of one that has been put together: by what the first and the second piece are. */
static unsigned pieces_shape(const struct fs_piece *p, uint32_t first_general)
{
    static const unsigned char near_shapes[2][2] = {{0, FS_ONE_GF4}, {FS_ONE_FG4, FS_ONE_FF4}};
    static const unsigned char far_shapes[2][2] = {{FS_ONE_GG, FS_ONE_GF8},
                                                   {FS_ONE_FG8, FS_ONE_FF8}};
    bool floating[2];
    for (unsigned i = 0; i < 2; i++)
        floating[i] = is_saved_floating(p[i].from);
    if (p[0].to != 0 || (!floating[0] && p[0].from != first_general))
        return 0;
    if (p[1].to == 4 && p[1].size <= 4)
        return near_shapes[floating[0]][floating[1]];
    return p[1].to == 8 ? far_shapes[floating[0]][floating[1]] : 0;
}

/* What the only argument is in (FS_ONE_*), 0 if there is no entry for that. */
static unsigned one_shape(const struct fs_abi *abi, const ffi_type *t, const struct fs_place *place)
{
    uint32_t first_general = FS_FRAME_GPR + (abi->tail == FS_TAIL_MEM ? 8 : 0);
    if (place->way == FS_BY_REFERENCE)
        return place->at == first_general ? FS_ONE_R : 0;
    if (t->size > IN_REGISTERS_MAX)
        return 0;
    if (place->way == FS_GATHERED)
        return place->pieces == 2 ? pieces_shape(place->piece, first_general) : 0;
    if (is_saved_floating(place->at))
        return FS_ONE_FF8;
    return place->at == first_general ? FS_ONE_GG : 0;
}

/* Another argument: in the order of a few scalars, or of words. */
static void mind_order(struct fs_abi *abi, const ffi_type *t, unsigned index,
                       const struct fs_place *place)
{
    bool scalar = !is_aggregate(t) && t->size <= 8 && place->at < FS_FRAME_STACK;
    if (!scalar || index >= FS_MIXED)
        abi->order = 0;
    if (abi->order)
        abi->order = abi->order << 1 | is_saved_floating(place->at);
    abi->in_order &= place->way == FS_DIRECT && place->at == FS_FRAME_GPR + 8 * index;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    int error = place_argument(abi, t, index, place);
    if (error)
        return error;
    if (index == 0)
        abi->shape = one_shape(abi, t, place);
    mind_order(abi, t, index, place);
    return 0;
}

extern FS_HIDDEN void *const fs_one[FS_ONE_SHAPES][FS_ONE_TAILS];

static void *one_entry(const struct fs_abi *abi)
{
    unsigned tail = abi->tail;
    if (!abi->shape || tail >= FS_TAIL_SECOND(1))
        return NULL;
    if (tail >= FS_TAIL_MEM)
        tail = FS_TAIL_DD8 + 1 + (tail - FS_TAIL_MEM);
    return fs_one[abi->shape - 1][tail];
}

extern FS_HIDDEN const char fs_entry_words[], fs_words_end[];
#if FS_FLEN
extern FS_HIDDEN const char fs_entry_mixed[];
extern FS_HIDDEN const void *const fs_mixed_rest[FS_MIXED - 1][FS_FAST_TAILS];

static void *mixed_entry(const struct fs_abi *abi, unsigned nargs, union fs_slot_body *body)
{
    body->rest.code = fs_mixed_rest[nargs - 2][abi->tail];
    return (void *)(fs_entry_mixed + FS_MIXED_SIZE * (abi->order - 4));
}
#else
static void *mixed_entry(const struct fs_abi *abi, unsigned nargs, union fs_slot_body *body)
{
    return (void)abi, (void)nargs, (void)body, NULL;
}
#endif

void *fs_abi_shaped_entry(const struct fs_abi *abi, unsigned nargs, union fs_slot_body *body)
{
    if (abi->order && abi->gpr && abi->vec && abi->tail < FS_FAST_TAILS)
        return mixed_entry(abi, nargs, body);
    bool has_tail = abi->tail < FS_TAIL_SECOND(1) && abi->tail != FS_TAIL_MEM;
    if (abi->in_order && has_tail && nargs > FS_SCALAR_G && nargs <= FS_WORDS) {
        body->plan.tail = fs_abi_tail_code(abi);
        body->rest.code = fs_words_end - FS_WORD_SIZE * nargs;
        return (void *)fs_entry_words;
    }
    return NULL;
}

extern FS_HIDDEN void *const fs_planned_u[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_m[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_d[FS_GPR_BUCKETS][FS_VEC_BUCKETS];

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    static const unsigned char buckets[REGISTERS + 1] = {0, 1, 1, 2, 2, 3, 3, 3, 3};
    if (abi->tail >= FS_TAIL_SECOND(1))
        return NULL;
    unsigned gpr = (abi->gpr + 1) / 2, vec = buckets[abi->vec];
    int16_t tail = fs_abi_tail_code(abi);
    return tail == 0  ? fs_planned_u[gpr][vec]
           : tail < 0 ? fs_planned_m[gpr][vec]
                      : fs_planned_d[gpr][vec];
}

#endif
