/* SPDX-License-Identifier: MIT */
/* abi.c - 64-bit Power, ELFv2: "Parameter Passing in Registers" of the 64-bit ELF V2 ABI, on
 * libffi's types
 *
 * Every argument takes doublewords of the parameter save area, of which the first eight are in
 * general registers. Floating ones are in floating registers besides, up to thirteen, and their
 * doublewords' registers stay empty. So are homogeneous aggregates of one to eight floats or
 * doubles; what comes after the thirteenth register is where its doublewords are. The two parts of
 * a complex are arguments of their own.
 *
 * The save area exists when something does not fit in registers. Then the entry saves the general
 * registers into it, and what is split between registers and stack is whole. When all fits, there
 * is no such area, and they are saved in the entry's own frame.
 *
 * A floating register has a float in a double's format. The entry saves those that have a float a
 * second time, as floats.
 *
 * long double is two doubles (IBM), or IEEE's in vector registers: the compiler's macro tells.
 */
#include <ffi.h>

#include "arch.h"

#define FS_ABI_TAKEN FFI_DEFAULT_ABI
#define FS_ABI_NAME "FFI_DEFAULT_ABI"
#define FS_ABI_NAMED(cif) ((cif)->nfixedargs)
/* A scalar entry for vector registers saves doubles; a float has none. */
#define FS_FLOAT_CLASS 0
#define FS_DOUBLE_CLASS VEC
#ifdef FS_FRAME_QUADS
#define FS_TAIL_LONGDOUBLE FS_TAIL_QUADS
#define LONGDOUBLE_REGISTERS 1
#else
#define FS_TAIL_LONGDOUBLE FS_TAIL_PAIR
#define LONGDOUBLE_REGISTERS 2
#endif
#include "arch/abi_common.h"

enum { GENERAL = 8, FLOATING = 13, QUADS = 12, HOMOGENEOUS_MAX = 8, IN_REGISTERS_MAX = 16 };

#include "arch/abi_homogeneous.h"

static struct homogeneous of_scalar(const ffi_type *t)
{
    return (struct homogeneous){1, floating_size(t->type)};
}

/* classify(), where a long double may count for two. */
static int classify_here(const ffi_type *t, struct homogeneous *h)
{
    int error = classify(t, h);
    if (!error && h->size == 16 && h->count * LONGDOUBLE_REGISTERS > HOMOGENEOUS_MAX)
        *h = (struct homogeneous){0, 0};
    return error;
}

/* Of `count` members of `size` bytes in floating registers. */
static unsigned floating_tail(struct homogeneous h)
{
    unsigned doubles = h.count * h.size / 8;
    if (h.size == 4)
        return FS_TAIL_FLOATS;
    if (h.size == 16 && LONGDOUBLE_REGISTERS == 1)
        return FS_TAIL_QUADS;
    return doubles > 2 ? FS_TAIL_DOUBLES : FS_TAIL_PAIR;
}

/* The parts of a complex of integers are in two general registers, extended as they would be
 * alone. */
static unsigned complex_tail(const ffi_type *part)
{
    if (floating_size(part->type))
        return floating_tail((struct homogeneous){2, floating_size(part->type)});
    unsigned tail = scalar_tail(part);
    return tail == FS_TAIL_WORD ? FS_TAIL_PAIR : FS_TAIL_BOTH + tail - FS_TAIL_S32;
}

static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct homogeneous h;
    int error = classify_here(t, &h);
    if (error)
        return error;
    if (t->type == FFI_TYPE_COMPLEX)
        *tail = complex_tail(t->elements[0]);
    else if (h.count)
        *tail = floating_tail(h);
    else
        *tail = t->size > IN_REGISTERS_MAX ? FS_TAIL_MEM : FS_TAIL_PAIR;
    return 0;
}

/* --- where the general registers are saved: does every argument fit in registers? ---------------
 */

/* No argument takes more doublewords. */
static size_t most_words(const ffi_type *t)
{
    return t ? t->size / 8 + 2 : 0;
}

static bool uses_stack(const struct fs_abi *begun, const ffi_cif *cif)
{
    size_t words = begun->gpr;
    for (unsigned i = 0; i < cif->nargs && words <= GENERAL; i++)
        words += most_words(cif->arg_types[i]);
    if (words <= GENERAL)
        return false;
    struct fs_abi abi = *begun;
    for (unsigned i = 0; i < cif->nargs && abi.stack == FS_FRAME_STACK; i++) {
        struct fs_place place;
        if (fs_abi_argument(&abi, cif->arg_types[i], i, &place))
            return false; /* the error is found again, and returned, when its turn comes */
    }
    return abi.stack != FS_FRAME_STACK;
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){.stack = FS_FRAME_STACK,
                           .tail = FS_TAIL_WORD,
                           .vec_stride = 8,
                           .named = FS_ABI_NAMED(cif),
                           .only_gpr = true,
                           .only_vec = true};
    int error = begin_with_result(abi, cif);
    if (error)
        return error;
    if (abi->tail == FS_TAIL_MEM)
        abi->gpr = 1; /* its address is a first argument */
    abi->home = uses_stack(abi, cif);
    return 0;
}

/* --- arguments ---------------------------------------------------------------------------------
 * fs_abi.gpr is the next doubleword, also beyond those that are in registers. */

/* The frame byte of the next doublewords that have `size` bytes. */
static uint32_t take_words(struct fs_abi *abi, size_t size)
{
    uint32_t at = (abi->home ? FS_FRAME_HOME : FS_FRAME_GPR) + 8 * abi->gpr;
    abi->gpr += (unsigned)((size + 7) / 8);
    return at;
}

/* There is something in those that were taken last. */
static void fill_words(struct fs_abi *abi)
{
    abi->words = abi->gpr;
    if (abi->gpr > GENERAL)
        abi->stack = FS_FRAME_STACK + 8 * (abi->gpr - GENERAL);
}

static void direct(struct fs_place *place, uint32_t at)
{
    place->way = FS_DIRECT;
    place->at = at;
}

static void add_piece(struct fs_place *place, uint32_t from, unsigned to, unsigned size)
{
    place->way = FS_GATHERED;
    place->piece[place->pieces++] = (struct fs_piece){from, (uint16_t)to, (uint16_t)size};
}

/* Registers of one kind: how many carry arguments, how many are taken; how the entry saves them. */
struct file {
    unsigned most, *taken, *saved;
    uint32_t at;
    unsigned width; /* bytes apart */
};

static struct file file_of(struct fs_abi *abi, unsigned member)
{
#ifdef FS_FRAME_QUADS
    if (member == 16)
        return (struct file){QUADS, &abi->quads, &abi->quads, FS_FRAME_QUADS, 16};
#endif
    if (member == 4)
        return (struct file){FLOATING, &abi->vec, &abi->singles, FS_FRAME_SINGLES, 4};
    return (struct file){FLOATING, &abi->vec, &abi->doubles, FS_FRAME_DOUBLES, 8};
}

/* Members in registers of their kind, as far as there are any, the rest in their doublewords. */
static void place_floating(struct fs_abi *abi, struct homogeneous h, struct fs_place *place)
{
    struct file f = file_of(abi, h.size);
    unsigned size = h.count * h.size, n = size / f.width, left = f.most - *f.taken;
    unsigned in = n < left ? n : left, inside = in * f.width;
    uint32_t at = f.at + f.width * *f.taken;
    if (f.width == 16)
        abi->gpr = (unsigned)align_up(abi->gpr, 2);
    uint32_t words = take_words(abi, size);
    if (in)
        *f.saved = *f.taken += in;
    if (in == n) {
        direct(place, at);
        return;
    }
    fill_words(abi);
    if (in == 0) {
        direct(place, words);
        return;
    }
    add_piece(place, at, 0, inside);
    add_piece(place, words + inside, inside, size - inside);
}

/* What a variadic function's prototype does not name is in doublewords, whatever it is. */
static bool in_floating(const struct fs_abi *abi, struct homogeneous h, unsigned index)
{
    return h.count && h.size && index < abi->named;
}

static void place_words(struct fs_abi *abi, const ffi_type *t, size_t alignment,
                        struct fs_place *place)
{
    if (alignment > 8)
        abi->gpr = (unsigned)align_up(abi->gpr, 2);
    direct(place, take_words(abi, t->size));
    fill_words(abi);
}

/* Floats and doubles, IBM's long double too, need no more than a doubleword's. */
static size_t alignment_of_words(const ffi_type *t, struct homogeneous h)
{
    bool quads = h.size == 16 && LONGDOUBLE_REGISTERS == 1;
    return h.count && h.size && !quads ? 8 : t->alignment;
}

/* What is whole, but not where its alignment wants it: put together elsewhere. */
static void mind_alignment(const ffi_type *t, struct fs_place *place)
{
    if (place->way == FS_DIRECT && place->at & (t->alignment - 1u) & 15)
        add_piece(place, place->at, 0, (unsigned)t->size);
}

static void place_scalar(struct fs_abi *abi, const ffi_type *t, unsigned index,
                         struct fs_place *place)
{
    struct homogeneous h = of_scalar(t);
    if (in_floating(abi, h, index))
        place_floating(abi, h, place);
    else
        place_words(abi, t, alignment_of_words(t, h), place);
}

/* Put a part that is at byte `to` behind the parts that are there. */
static void append(struct fs_place *place, const struct fs_place *part, unsigned to, unsigned size)
{
    if (part->way == FS_DIRECT)
        add_piece(place, part->at, to, size);
    for (unsigned k = 0; part->way == FS_GATHERED && k < part->pieces; k++)
        add_piece(place, part->piece[k].from, to + part->piece[k].to, part->piece[k].size);
}

static void place_complex(struct fs_abi *abi, const ffi_type *t, unsigned index,
                          struct fs_place *place)
{
    const ffi_type *part = t->elements[0];
    unsigned size = (unsigned)t->size / 2;
    struct fs_place real = {.pieces = 0}, imaginary = {.pieces = 0};
    place_scalar(abi, part, index, &real);
    place_scalar(abi, part, index, &imaginary);
    if (real.way == FS_DIRECT && imaginary.way == FS_DIRECT && real.at + size == imaginary.at) {
        direct(place, real.at);
        return;
    }
    append(place, &real, 0, size);
    append(place, &imaginary, size, size);
}

static int place_aggregate(struct fs_abi *abi, const ffi_type *t, unsigned index,
                           struct fs_place *place)
{
    struct homogeneous h;
    int error = classify_here(t, &h);
    if (error)
        return error;
    abi->only_gpr = abi->only_vec = false;
    if (t->size == 0) /* GNU C's empty struct takes no place; any address serves */
        direct(place, FS_FRAME_RET);
    else if (t->type == FFI_TYPE_COMPLEX)
        place_complex(abi, t, index, place);
    else if (in_floating(abi, h, index))
        place_floating(abi, h, place);
    else
        place_words(abi, t, alignment_of_words(t, h), place);
    mind_alignment(t, place);
    return 0;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    place->way = FS_DIRECT;
    place->pieces = 0;
    int error = check_argument(abi, t, index);
    if (error)
        return error;
    if (is_aggregate(t))
        return place_aggregate(abi, t, index, place);
    if ((error = check_scalar(t, "argument", index)))
        return error;
    if (t->type != FFI_TYPE_DOUBLE || index >= abi->named)
        abi->only_vec = false;
    if (floating_size(t->type))
        abi->only_gpr = false;
    place_scalar(abi, t, index, place);
    mind_alignment(t, place);
    if (abi->stack != FS_FRAME_STACK)
        abi->only_gpr = abi->only_vec = false;
    return 0;
}

extern FS_HIDDEN void *const fs_planned_u[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_m[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_n[FS_GPR_BUCKETS][FS_VEC_BUCKETS];
extern FS_HIDDEN void *const fs_planned_d[FS_GPR_BUCKETS][FS_VEC_BUCKETS];

/* Which of a row's entries saves what is used. */
static unsigned vec_bucket(const struct fs_abi *abi)
{
    enum { NONE, TWO, FOUR, ALL_DOUBLES, SINGLES, BOTH, ALL, WHOLE };
#ifdef FS_FRAME_QUADS
    if (abi->quads)
        return WHOLE;
#endif
    if (abi->singles)
        return abi->vec > 4 ? ALL : abi->doubles ? BOTH : SINGLES;
    return !abi->doubles ? NONE : abi->doubles <= 2 ? TWO : abi->doubles <= 4 ? FOUR : ALL_DOUBLES;
}

static unsigned gpr_bucket(const struct fs_abi *abi)
{
    enum { NONE, THREE, EIGHT, HOME };
    return abi->home ? HOME : abi->words == 0 ? NONE : abi->words <= 3 ? THREE : EIGHT;
}

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    unsigned gpr = gpr_bucket(abi), vec = vec_bucket(abi);
    int16_t tail = fs_abi_tail_code(abi);
    return tail == 0                   ? fs_planned_u[gpr][vec]
           : tail < 0                  ? fs_planned_m[gpr][vec]
           : abi->tail < FS_TAIL_BYTES ? fs_planned_n[gpr][vec]
                                       : fs_planned_d[gpr][vec];
}
