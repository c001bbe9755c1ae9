/* SPDX-License-Identifier: MIT */
/* abi.c - x86-64: the System V psABI's parameter passing (section 3.2.3), on libffi's types
 *
 * An aggregate of at most two eightbytes is classified as the psABI says, one aggregate at a time:
 * its members' classes merge in their order, then come the rules for the whole. Both matter:
 * merging is not associative, and a nested union that is in memory takes everything around it
 * along. Larger aggregates, and ones with unaligned fields, go in memory.
 *
 * libffi's ffi_type has no field offsets; they follow from sizes and alignments (find_layout).
 */
#include "arch/abi.h"
#include "arch.h"
#include "base/error.h"

/* The psABI's classes. SSEUP is not among them, since libffi has no vectors, nor COMPLEX_X87, which
 * only a complex long double by itself has (aggregate_tail). */
enum eightbyte { NO_CLASS, SSE, INTEGER, X87, X87UP, MEMORY };

/* Limits that no C type reaches: what exceeds them is recursive or made up. */
#define MAX_DEPTH 64
#define MAX_NODES 1000000

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

static const char *const type_trouble = "a type with code %d, size %zu and alignment %u is %s";

static int bad_type(const ffi_type *t, const char *what)
{
    return fs_fail(-EINVAL, type_trouble, t->type, t->size, t->alignment, what);
}

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static bool is_aggregate(const ffi_type *t)
{
    return t->type == FFI_TYPE_STRUCT || t->type == FFI_TYPE_COMPLEX;
}

/* A scalar's size as the ABI has it, 0 for what is not a scalar. */
static size_t scalar_size(const ffi_type *t)
{
    switch (t->type) {
    case FFI_TYPE_UINT8:
    case FFI_TYPE_SINT8:
        return 1;
    case FFI_TYPE_UINT16:
    case FFI_TYPE_SINT16:
        return 2;
    case FFI_TYPE_INT:
    case FFI_TYPE_UINT32:
    case FFI_TYPE_SINT32:
    case FFI_TYPE_FLOAT:
        return 4;
    case FFI_TYPE_UINT64:
    case FFI_TYPE_SINT64:
    case FFI_TYPE_POINTER:
    case FFI_TYPE_DOUBLE:
        return 8;
    case FFI_TYPE_LONGDOUBLE:
        return 16;
    default:
        return 0;
    }
}

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

static int check_node(const ffi_type *t, struct walk *w, unsigned depth)
{
    if (depth > MAX_DEPTH || ++w->nodes > MAX_NODES)
        return bad_type(t, "recursive, or nested beyond reason");
    if (t->alignment == 0 || (t->alignment & (t->alignment - 1)))
        return bad_type(t, "incomplete: its alignment is not a power of two; did ffi_prep_cif() "
                           "succeed on it?");
    return 0;
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

/* How an aggregate's members lie. Laid out one behind the other, do they fit its size? If not, the
 * size was set by hand: for a packed struct, which has room for all its members but none between
 * them, or for a union, which has not. What attributes do besides cannot be told from this: a union
 * that they make larger than its members, a packed struct that they align, a member that they
 * align. Such a type needs its parts as structs of their own (ffi_static.h). */
enum layout { PLAIN, UNION, PACKED };

static int find_layout(const ffi_type *t, enum layout *layout)
{
    if (!t->elements || (t->size && !t->elements[0]))
        return bad_type(t, "an incomplete aggregate: it has no elements");
    size_t end = 0, sum = 0;
    bool misfit = false;
    for (ffi_type **e = t->elements; *e; e++) {
        unsigned alignment = (*e)->alignment;
        if (alignment == 0 || (alignment & (alignment - 1)))
            return bad_type(*e, "incomplete: its alignment is not a power of two");
        misfit |= alignment > t->alignment;
        end = align_up(end, alignment) + (*e)->size;
        sum += (*e)->size;
    }
    *layout = t->type == FFI_TYPE_COMPLEX || end <= t->size ? PLAIN
              : misfit && sum <= t->size                    ? PACKED
                                                            : UNION;
    return 0;
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
    int error = check_node(t, w, depth);
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

/* Not a scalar and not an aggregate, or a scalar of the wrong size. */
static int check_scalar(const ffi_type *t, const char *role, unsigned index)
{
    size_t size = scalar_size(t);
    if (size && t->size == size)
        return 0;
    if (t->type == FFI_TYPE_VOID)
        return fs_fail(-EINVAL, "%s %u has type void", role, index);
    if (size)
        return bad_type(t, "of another size than its code says");
    return fs_fail(-ENOTSUP, "%s %u has a type code (%d) that x86-64 closures do not take", role,
                   index, t->type);
}

static unsigned scalar_tail(const ffi_type *t)
{
    switch (t->type) {
    case FFI_TYPE_UINT8:
        return FS_TAIL_U8;
    case FFI_TYPE_SINT8:
        return FS_TAIL_S8;
    case FFI_TYPE_UINT16:
        return FS_TAIL_U16;
    case FFI_TYPE_SINT16:
        return FS_TAIL_S16;
    case FFI_TYPE_UINT32:
    case FFI_TYPE_FLOAT:
        return FS_TAIL_U32;
    case FFI_TYPE_INT:
    case FFI_TYPE_SINT32:
        return FS_TAIL_S32;
    case FFI_TYPE_LONGDOUBLE:
        return FS_TAIL_X87;
    default:
        return FS_TAIL_WORD;
    }
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
    if (cif->abi != FFI_UNIX64)
        return fs_fail(-ENOTSUP,
                       "the cif's ABI is %d; x86-64 closures here take FFI_UNIX64 (%d) only",
                       (int)cif->abi, (int)FFI_UNIX64);
    *abi = (struct fs_abi){
        .stack = FS_FRAME_STACK, .tail = FS_TAIL_WORD, .only_gpr = true, .only_vec = true};
    const ffi_type *t = cif->rtype;
    if (!t)
        return fs_fail(-EINVAL, "the cif's result type is NULL; did ffi_prep_cif() succeed?");
    if (t->type == FFI_TYPE_VOID) {
        abi->tail = FS_TAIL_NONE;
        return 0;
    }
    int error;
    if (is_aggregate(t)) {
        if ((error = aggregate_tail(t, &abi->tail)))
            return error;
    } else {
        if ((error = check_scalar(t, "result", 0)))
            return error;
        abi->tail = scalar_tail(t);
    }
    if (abi->tail == FS_TAIL_MEM)
        abi->gpr = 1; /* rdi is the hidden pointer */
    return 0;
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
    if (!t)
        return fs_fail(-EINVAL, "argument %u has no type (NULL)", index);
    if (abi->stack > UINT32_MAX / 8 || t->size > UINT32_MAX / 8)
        return fs_fail(-EINVAL, "argument %u lies beyond any stack", index);
    if (is_aggregate(t))
        return place_aggregate(abi, t, place);
    int error = check_scalar(t, "argument", index);
    if (error)
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

/* Per libffi type code: what the quick path needs. */
struct quick {
    unsigned char size;    /* 0: not for the quick path */
    unsigned char classes; /* bit 0: general, bit 1: vector; 0: not for the quick path */
    unsigned char tail;    /* FS_TAIL_* */
};

#define GPR 1
#define VEC 2

static const struct quick quick[16] = {
    [FFI_TYPE_VOID] = {1, 0, FS_TAIL_NONE},     [FFI_TYPE_POINTER] = {8, GPR, FS_TAIL_WORD},
    [FFI_TYPE_FLOAT] = {4, VEC, FS_TAIL_U32},   [FFI_TYPE_DOUBLE] = {8, VEC, FS_TAIL_WORD},
    [FFI_TYPE_UINT8] = {1, GPR, FS_TAIL_U8},    [FFI_TYPE_SINT8] = {1, GPR, FS_TAIL_S8},
    [FFI_TYPE_UINT16] = {2, GPR, FS_TAIL_U16},  [FFI_TYPE_SINT16] = {2, GPR, FS_TAIL_S16},
    [FFI_TYPE_UINT32] = {4, GPR, FS_TAIL_U32},  [FFI_TYPE_SINT32] = {4, GPR, FS_TAIL_S32},
    [FFI_TYPE_UINT64] = {8, GPR, FS_TAIL_WORD}, [FFI_TYPE_SINT64] = {8, GPR, FS_TAIL_WORD},
    [FFI_TYPE_INT] = {4, GPR, FS_TAIL_S32},
};

static inline const struct quick *quick_of(const ffi_type *t)
{
    static const struct quick none;
    if (!t)
        return &none;
    const struct quick *q = &quick[t->type % 16];
    return q->size == t->size && t->type < 16 ? q : &none;
}

extern FS_HIDDEN void *const fs_scalar_g[7][FS_FAST_TAILS];
extern FS_HIDDEN void *const fs_scalar_v[9][FS_FAST_TAILS];

void *fs_abi_entry(const struct fs_abi *abi, unsigned nargs)
{
    if (abi->tail >= FS_FAST_TAILS)
        return NULL;
    if (abi->only_gpr && nargs <= 6)
        return fs_scalar_g[nargs][abi->tail];
    if (abi->only_vec && nargs <= 8)
        return fs_scalar_v[nargs][abi->tail];
    return NULL;
}

void *fs_abi_quick_entry(const ffi_cif *cif)
{
    if (!cif || cif->nargs > 8 || cif->abi != FFI_UNIX64)
        return NULL;
    const struct quick *result = quick_of(cif->rtype);
    unsigned nargs = cif->nargs, tail = result->tail;
    if (!result->size || (nargs && !cif->arg_types))
        return NULL;
    unsigned classes = nargs <= 6 ? GPR | VEC : VEC;
    for (unsigned i = 0; i < nargs && classes; i++)
        classes &= quick_of(cif->arg_types[i])->classes;
    if (classes & GPR)
        return fs_scalar_g[nargs][tail];
    return classes ? fs_scalar_v[nargs][tail] : NULL;
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

int16_t fs_abi_tail_code(const struct fs_abi *abi)
{
    switch (abi->tail) {
    case FS_TAIL_MEM:
        return -1;
    case FS_TAIL_PAIR:
    case FS_TAIL_NONE:
        return 0;
    default:
        return (int16_t)(abi->tail * FS_TAIL_SIZE);
    }
}
