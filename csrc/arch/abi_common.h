/* SPDX-License-Identifier: MIT */
/* abi_common.h - what every abi.c consists of: libffi's types looked at, and the choice of an entry
 *
 * Not a header for others: an architecture's abi.c includes it once, after it has defined
 *
 *   FS_ABI_TAKEN        the cif's ABI that closures of ours take; FS_ABI_NAME: libffi's name of it;
 *                       FS_ABI_IS_TAKEN(abi): where there are more than that one
 *   FS_TAIL_LONGDOUBLE  how a long double goes back
 *
 * and, where they are not as below:
 *
 *   FS_FLOAT_CLASS, FS_DOUBLE_CLASS  the registers that a float and a double are in, GPR or VEC
 *   FS_ABI_NAMED(cif)  how many arguments are passed as a prototype's are; the rest, a variadic
 *                      function's further ones, in another way
 *
 * arch.h has FS_ARCH_NAME, and how many scalars have entries of their own (FS_SCALAR_G,
 * FS_SCALAR_V; FS_SCALAR_F where floats' places differ from doubles'). Where the general ones read
 * each argument's place from the slot, because a narrow value is at its register's end (big
 * endian), arch.h defines FS_SCALAR_PLACES. Where there are entries for one argument of any kind,
 * arch.h defines FS_ONE_SHAPES, abi.c sets abi->shape, and one_entry(abi) gives one or NULL. Where
 * there is more to say of a tail than where its code is, FS_TAIL_CODE(tail) says it.
 *
 * libffi's ffi_type has no field offsets; they follow from sizes and alignments (find_layout).
 */
#ifndef FS_ABI_COMMON_H
#define FS_ABI_COMMON_H

#include "arch.h"
#include "arch/abi.h"
#include "base/error.h"

#ifndef FS_ABI_IS_TAKEN
#define FS_ABI_IS_TAKEN(abi) ((abi) == FS_ABI_TAKEN)
#endif

/* Is libffi's long double a type of its own? Where it is a double, both have one code. */
#define LONG_DOUBLE_IS_OWN (FFI_TYPE_LONGDOUBLE != FFI_TYPE_DOUBLE)

/* Classes of scalars that have entries of their own. */
#define GPR 1
#define VEC 2
#define SINGLE 4 /* a float, where a double is in another kind of register */
#ifndef FS_FLOAT_CLASS
#define FS_FLOAT_CLASS VEC
#define FS_DOUBLE_CLASS VEC
#endif
#ifndef FS_ABI_NAMED
#define FS_ABI_NAMED(cif) ((cif)->nargs)
#endif
#ifndef FS_TAIL_CODE
#define FS_TAIL_CODE(tail) ((tail)*FS_TAIL_SIZE)
#endif

/* Limits that no C type reaches: what exceeds them is recursive or made up. */
#define MAX_DEPTH 64
#define MAX_NODES 1000000

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
    case FFI_TYPE_DOUBLE:
        return 8;
    case FFI_TYPE_POINTER:
        return sizeof(void *);
#if LONG_DOUBLE_IS_OWN
    case FFI_TYPE_LONGDOUBLE:
        return sizeof(long double);
#endif
    default:
        return 0;
    }
}

static int check_node(const ffi_type *t, unsigned *nodes, unsigned depth)
{
    if (depth > MAX_DEPTH || ++*nodes > MAX_NODES)
        return bad_type(t, "recursive, or nested beyond reason");
    if (t->alignment == 0 || (t->alignment & (t->alignment - 1)))
        return bad_type(t, "incomplete: its alignment is not a power of two; did ffi_prep_cif() "
                           "succeed on it?");
    return 0;
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
    return fs_fail(-ENOTSUP,
                   "%s %u has a type code (%d) that " FS_ARCH_NAME " closures do not take", role,
                   index, t->type);
}

/* What returns a pointer, and how floating results go back where FS_TAIL_U32 and _WORD, which
 * return integers of their sizes, do not load them, too. */
#if __SIZEOF_POINTER__ == 8
#define TAIL_POINTER FS_TAIL_WORD
#else
#define TAIL_POINTER FS_TAIL_U32
#endif
#ifndef FS_TAIL_FLOAT
#define FS_TAIL_FLOAT FS_TAIL_U32
#define FS_TAIL_DOUBLE FS_TAIL_WORD
#endif

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
        return FS_TAIL_U32;
    case FFI_TYPE_FLOAT:
        return FS_TAIL_FLOAT;
    case FFI_TYPE_DOUBLE:
        return FS_TAIL_DOUBLE;
    case FFI_TYPE_POINTER:
        return TAIL_POINTER;
    case FFI_TYPE_INT:
    case FFI_TYPE_SINT32:
        return FS_TAIL_S32;
#if LONG_DOUBLE_IS_OWN
    case FFI_TYPE_LONGDOUBLE:
        return FS_TAIL_LONGDOUBLE;
#endif
    default:
        return FS_TAIL_WORD;
    }
}

static int aggregate_tail(const ffi_type *t, unsigned *tail);

/* The result: what fs_abi_begin() does after it has set *abi up. */
static int begin_with_result(struct fs_abi *abi, const ffi_cif *cif)
{
    if (!FS_ABI_IS_TAKEN(cif->abi))
        return fs_fail(-ENOTSUP,
                       "the cif's ABI is %d; " FS_ARCH_NAME " closures here take " FS_ABI_NAME
                       " (%d) only",
                       (int)cif->abi, (int)FS_ABI_TAKEN);
    const ffi_type *t = cif->rtype;
    if (!t)
        return fs_fail(-EINVAL, "the cif's result type is NULL; did ffi_prep_cif() succeed?");
    if (t->type == FFI_TYPE_VOID) {
        abi->tail = FS_TAIL_NONE;
        return 0;
    }
    if (is_aggregate(t))
        return aggregate_tail(t, &abi->tail);
    int error = check_scalar(t, "result", 0);
    if (!error)
        abi->tail = scalar_tail(t);
    return error;
}

/* Can there be such an argument, so far? */
static int check_argument(const struct fs_abi *abi, const ffi_type *t, unsigned index)
{
    if (!t)
        return fs_fail(-EINVAL, "argument %u has no type (NULL)", index);
    if (abi->stack > UINT32_MAX / 8 || t->size > UINT32_MAX / 8)
        return fs_fail(-EINVAL, "argument %u lies beyond any stack", index);
    return 0;
}

/* Per libffi type code: what the quick path needs. A machine of 32 bits has integers of 64 in pairs
 * of registers, which are not for the quick path. */
struct quick {
    unsigned char size;    /* 0: not for the quick path */
    unsigned char classes; /* GPR, VEC, SINGLE; 0: not for the quick path */
    unsigned char tail;    /* FS_TAIL_* */
};

/* A 64-bit integer takes one general register, or more than one. */
#define GPR_64 (__SIZEOF_POINTER__ == 8 ? GPR : 0)
#define POINTER_SIZE __SIZEOF_POINTER__

static const struct quick quick[16] = {
    [FFI_TYPE_VOID] = {1, 0, FS_TAIL_NONE},
    [FFI_TYPE_FLOAT] = {4, FS_FLOAT_CLASS, FS_TAIL_FLOAT},
    [FFI_TYPE_DOUBLE] = {8, FS_DOUBLE_CLASS, FS_TAIL_DOUBLE},
    [FFI_TYPE_POINTER] = {POINTER_SIZE, GPR, TAIL_POINTER},
    [FFI_TYPE_UINT8] = {1, GPR, FS_TAIL_U8},
    [FFI_TYPE_SINT8] = {1, GPR, FS_TAIL_S8},
    [FFI_TYPE_UINT16] = {2, GPR, FS_TAIL_U16},
    [FFI_TYPE_SINT16] = {2, GPR, FS_TAIL_S16},
    [FFI_TYPE_UINT32] = {4, GPR, FS_TAIL_U32},
    [FFI_TYPE_SINT32] = {4, GPR, FS_TAIL_S32},
    [FFI_TYPE_UINT64] = {8, GPR_64, FS_TAIL_WORD},
    [FFI_TYPE_SINT64] = {8, GPR_64, FS_TAIL_WORD},
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

#ifdef FS_ONE_SHAPES
static void *one_entry(const struct fs_abi *abi);
#endif

extern FS_HIDDEN void *const fs_scalar_g[FS_SCALAR_G + 1][FS_FAST_TAILS];
#if FS_SCALAR_V
extern FS_HIDDEN void *const fs_scalar_v[FS_SCALAR_V + 1][FS_FAST_TAILS];
#endif
#ifdef FS_SCALAR_F
extern FS_HIDDEN void *const fs_scalar_f[FS_SCALAR_F + 1][FS_FAST_TAILS];
#endif

static void *scalar_entry(const struct fs_abi *abi, unsigned nargs)
{
    if (abi->tail >= FS_FAST_TAILS)
        return NULL;
    if (abi->only_gpr && nargs <= FS_SCALAR_G)
        return fs_scalar_g[nargs][abi->tail];
#if FS_SCALAR_V
    if (abi->only_vec && nargs <= FS_SCALAR_V)
        return fs_scalar_v[nargs][abi->tail];
#endif
#ifdef FS_SCALAR_F
    if (abi->only_single && nargs <= FS_SCALAR_F)
        return fs_scalar_f[nargs][abi->tail];
#endif
    return NULL;
}

void *fs_abi_entry(const struct fs_abi *abi, unsigned nargs)
{
    void *entry = scalar_entry(abi, nargs);
#ifdef FS_ONE_SHAPES
    if (!entry && nargs == 1)
        entry = one_entry(abi);
#endif
    return entry;
}

/* Entries that need no plan: the vector ones, and the general ones that read no places. */
#ifdef FS_SCALAR_PLACES
#define FS_QUICK_GPR 0
#else
#define FS_QUICK_GPR GPR
#endif
#ifdef FS_SCALAR_F
_Static_assert(FS_SCALAR_V == FS_SCALAR_F, "as the quick path has it");
#endif

void *fs_abi_quick_entry(const ffi_cif *cif)
{
    enum { MOST = FS_SCALAR_G > FS_SCALAR_V ? FS_SCALAR_G : FS_SCALAR_V };
    if (!cif || cif->nargs > MOST || cif->abi != FS_ABI_TAKEN || FS_ABI_NAMED(cif) < cif->nargs)
        return NULL;
    const struct quick *result = quick_of(cif->rtype);
    unsigned nargs = cif->nargs, tail = result->tail;
    if (!result->size || (nargs && !cif->arg_types))
        return NULL;
    unsigned classes =
        (nargs <= FS_SCALAR_G ? FS_QUICK_GPR : 0) | (nargs <= FS_SCALAR_V ? VEC | SINGLE : 0);
    for (unsigned i = 0; i < nargs && classes; i++)
        classes &= quick_of(cif->arg_types[i])->classes;
    if (classes & GPR)
        return fs_scalar_g[nargs][tail];
#ifdef FS_SCALAR_F
    if (classes & SINGLE)
        return fs_scalar_f[nargs][tail];
#endif
#if FS_SCALAR_V
    if (classes)
        return fs_scalar_v[nargs][tail];
#endif
    return NULL;
}

/* What the planned entries do about a result. */
int16_t fs_abi_tail_code(const struct fs_abi *abi)
{
    switch (abi->tail) {
    case FS_TAIL_MEM:
        return -1;
#ifdef FS_TAIL_PAIR
    case FS_TAIL_PAIR:
#endif
#ifdef FS_TAIL_PAIR_D
    case FS_TAIL_PAIR_D:
#endif
    case FS_TAIL_NONE:
        return 0;
    default:
        return (int16_t)FS_TAIL_CODE(abi->tail);
    }
}

#endif
