/* SPDX-License-Identifier: MIT */
/* abi.c - x86-64: the System V psABI's parameter passing (section 3.2.3), on libffi's types
 *
 * An aggregate of at most two eightbytes is classified as the psABI says, one aggregate at a time:
 * its members' classes merge in their order, then come the rules for the whole. Both matter:
 * merging is not associative, and a nested union that is in memory takes everything around it
 * along. Larger aggregates, and ones with unaligned fields, go in memory.
 */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_UNIX64
#define FS_ABI_NAME "FFI_UNIX64"
#define FS_TAIL_LONGDOUBLE FS_TAIL_X87
#include "arch/abi_common.h"

/* The psABI's classes. SSEUP is not among them, since libffi has no vectors, nor COMPLEX_X87, which
 * only a complex long double by itself has (aggregate_tail). */
enum eightbyte { NO_CLASS, SSE, INTEGER, X87, X87UP, MEMORY };

/* Of two eightbytes; if one is MEMORY, both are. */
struct classes {
    enum eightbyte half[2];
};
static const struct classes in_memory = {{MEMORY, MEMORY}};

struct walk {
    size_t size;    /* of the whole aggregate */
    unsigned nodes; /* visited so far */
    unsigned leaves;
    bool classify; /* it is small enough to have classes */
    bool narrow;   /* some member has less than 8 bytes */
};

static enum eightbyte scalar_class(const ffi_type *t)
{
    switch (t->type) {
    case FFI_TYPE_FLOAT:
    case FFI_TYPE_DOUBLE:
        return SSE;
    case FFI_TYPE_LONGDOUBLE:
        return X87;
    default:
        return INTEGER;
    }
}

/* Two fields in one eightbyte: the psABI's rule 4 of "Aggregates and unions", (a) to (f). */
static enum eightbyte merge(enum eightbyte a, enum eightbyte b)
{
    if (a == b || b == NO_CLASS)
        return a;
    if (a == NO_CLASS)
        return b;
    if (a == MEMORY || b == MEMORY)
        return MEMORY;
    if (a == INTEGER || b == INTEGER)
        return INTEGER;
    return MEMORY; /* SSE with the x87 ones, which are equal or not in the same eightbyte */
}

static void merge_member(struct classes *all, const struct classes *member)
{
    all->half[0] = merge(all->half[0], member->half[0]);
    all->half[1] = merge(all->half[1], member->half[1]);
}

/* An aggregate whose members are merged: rule 5, (a) and (b). */
static void settle(struct classes *is)
{
    if (is->half[0] == MEMORY || is->half[1] == MEMORY ||
        (is->half[1] == X87UP && is->half[0] != X87))
        *is = in_memory;
}

/* A scalar at `offset` of the whole. Every scalar's alignment is its size, in a packed struct too.
 */
static struct classes leaf_classes(const ffi_type *t, size_t offset, struct walk *w)
{
    size_t size = scalar_size(t);
    struct classes is = {{NO_CLASS, NO_CLASS}};
    w->leaves++;
    w->narrow |= size < 8;
    if (!w->classify || offset % size)
        return in_memory;
    if (offset >= w->size || size > w->size - offset) /* nested sizes that contradict each other */
        return in_memory;
    is.half[offset / 8] = scalar_class(t);
    if (is.half[0] == X87)
        is.half[1] = X87UP;
    return is;
}

/* The alignment that member `e` has inside of `t`. */
static size_t member_alignment(const ffi_type *t, const ffi_type *e, enum layout layout)
{
    return layout == PACKED && e->alignment > t->alignment ? t->alignment : e->alignment;
}

/* The classes of `t` at `offset` of the whole aggregate, in the whole's eightbytes. */
static int visit(const ffi_type *t, size_t offset, struct classes *is, struct walk *w,
                 unsigned depth)
{
    if (!t)
        return fs_fail(-EINVAL, "a struct's element type is NULL");
    int error = check_node(t, &w->nodes, depth);
    if (error)
        return error;
    if (!is_aggregate(t)) {
        if (scalar_size(t) == 0 || t->size != scalar_size(t))
            return bad_type(t, "not a type that a struct can hold");
        *is = leaf_classes(t, offset, w);
        return 0;
    }
    enum layout layout = PLAIN;
    if ((error = find_layout(t, &layout)))
        return error;
    *is = (struct classes){{NO_CLASS, NO_CLASS}};
    size_t at = 0;
    for (ffi_type **e = t->elements; *e; e++) {
        if (!w->classify && e > t->elements && e[0] == e[-1])
            continue; /* an array's next element: nothing new in it */
        struct classes member;
        at = layout == UNION ? 0 : align_up(at, member_alignment(t, *e, layout));
        if ((error = visit(*e, offset + at, &member, w, depth + 1)))
            return error;
        merge_member(is, &member);
        at += (*e)->size;
        if (t->type == FFI_TYPE_COMPLEX) { /* one element stands for both parts */
            if ((error = visit(*e, offset + at, &member, w, depth + 1)))
                return error;
            merge_member(is, &member);
            break;
        }
    }
    settle(is);
    return 0;
}

static int classify(const ffi_type *t, struct classes *out, bool *narrow)
{
    struct walk w = {.size = t->size, .classify = t->size <= 16};
    int error = visit(t, 0, out, &w, 0);
    if (error)
        return error;
    if (t->size == 0 && w.leaves)
        return bad_type(t, "incomplete: it has members but no size");
    if (t->size > 16)
        *out = in_memory;
    *narrow = w.narrow;
    return 0;
}

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct classes is;
    bool narrow;
    int error = classify(t, &is, &narrow);
    if (error)
        return error;
    unsigned alike = narrow ? FS_TAIL_HALVES : FS_TAIL_PAIR;
    if (is.half[0] == X87) /* struct { long double }; a complex one is larger, see below */
        *tail = FS_TAIL_X87;
    else if (is.half[0] == MEMORY && t->type == FFI_TYPE_COMPLEX && t->elements[0] &&
             t->elements[0]->type == FFI_TYPE_LONGDOUBLE)
        *tail = FS_TAIL_X87X2;
    else if (is.half[0] == MEMORY)
        *tail = FS_TAIL_MEM;
    else if (is.half[0] == SSE)
        *tail = is.half[1] == INTEGER ? FS_TAIL_VG : alike;
    else
        *tail = is.half[1] == SSE ? FS_TAIL_GV : alike;
    return 0;
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){
        .stack = FS_FRAME_STACK, .tail = FS_TAIL_WORD, .only_gpr = true, .only_vec = true};
    int error = begin_with_result(abi, cif);
    if (abi->tail == FS_TAIL_MEM)
        abi->gpr = 1; /* rdi is the hidden pointer */
    return error;
}

/* The argument is on the caller's stack. An alignment above 16 is counted from the start of the
 * argument area, which the caller aligned to it. */
static void place_on_stack(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    uint32_t at = abi->stack - FS_FRAME_STACK;
    if (t->alignment > 8)
        at = (uint32_t)align_up(at, t->alignment);
    place->at = FS_FRAME_STACK + at;
    abi->stack = FS_FRAME_STACK + at + (uint32_t)align_up(t->size, 8);
    abi->only_gpr = abi->only_vec = false;
}

static uint32_t next_register(struct fs_abi *abi, enum eightbyte c)
{
    if (c == SSE)
        return FS_FRAME_VEC + 8 * abi->vec++;
    return FS_FRAME_GPR + 8 * abi->gpr++;
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    struct classes is;
    bool narrow;
    int error = classify(t, &is, &narrow);
    if (error)
        return error;
    const enum eightbyte *half = is.half;
    abi->only_gpr = abi->only_vec = false;
    if (t->size == 0) { /* GNU C's empty struct takes no place; any address serves */
        place->at = FS_FRAME_RET;
        return 0;
    }
    /* A second eightbyte that is all padding (over-aligned structs) has no class and no place. */
    unsigned halves = t->size > 8 && half[1] != NO_CLASS ? 2 : 1;
    if (half[0] == NO_CLASS)
        return bad_type(t, "an aggregate that begins with nothing but padding");
    unsigned gpr = 0, vec = 0;
    for (unsigned i = 0; i < halves; i++) {
        gpr += half[i] == INTEGER;
        vec += half[i] == SSE;
    }
    bool memory = half[0] == MEMORY || half[0] == X87;
    if (memory || abi->gpr + gpr > 6 || abi->vec + vec > 8) {
        place_on_stack(abi, t, place);
        return 0;
    }
    uint32_t first = place->at = next_register(abi, half[0]);
    uint32_t second = halves == 2 ? next_register(abi, half[1]) : first + 8;
    /* Apart, or whole but not where its alignment wants it (an odd word). */
    if (second != first + 8 || (t->alignment > 8 && first % 16)) {
        place->way = FS_GATHERED;
        place->pieces = 2;
        place->piece[0] = (struct fs_piece){first, 0, 8};
        place->piece[1] = (struct fs_piece){second, 8, 8};
    }
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
    enum eightbyte c = scalar_class(t);
    if (c == INTEGER && abi->gpr < 6) {
        abi->only_vec = false;
        place->at = next_register(abi, c);
    } else if (c == SSE && abi->vec < 8) {
        abi->only_gpr = false;
        place->at = next_register(abi, c);
    } else {
        place_on_stack(abi, t, place);
    }
    return 0;
}

extern FS_HIDDEN void *const fs_planned_u[7][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_m[7][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_d[7][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_x[2];

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    static const unsigned char bucket[9] = {0, 1, 2, 3, 3, 4, 4, 4, 4};
    unsigned vec = bucket[abi->vec];
    if (abi->tail == FS_TAIL_X87X2)
        return fs_planned_x[abi->gpr || abi->vec];
    int16_t tail = fs_abi_tail_code(abi);
    return tail == 0  ? fs_planned_u[abi->gpr][vec]
           : tail < 0 ? fs_planned_m[abi->gpr][vec]
                      : fs_planned_d[abi->gpr][vec];
}
