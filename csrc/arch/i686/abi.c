/* SPDX-License-Identifier: MIT */
/* abi.c - i386: parameter passing of the System V psABI and of the other conventions that libffi
 * knows, on libffi's types
 *
 * An argument lies on the caller's stack, in words, at a multiple of 4 whatever its alignment. A
 * struct is returned in memory, of which the hidden pointer is the first argument. Conventions
 * differ in this:
 *
 *   FFI_SYSV       the callee pops the hidden pointer and nothing else
 *   FFI_MS_CDECL   the callee pops nothing
 *   FFI_STDCALL    the callee pops all
 *   FFI_FASTCALL   the first two integers of one word are in ecx and edx; the callee pops the rest
 *   FFI_THISCALL   the first one is in ecx; the same
 *   FFI_PASCAL     as libffi has it: the first argument is the highest, below a multiple of 16 that
 *                  has room for all; nothing is popped, and no struct returned
 *   FFI_REGISTER   the same, but three integers are in eax, edx and ecx
 *
 * Of fastcall and thiscall, gcc's rules are taken where gcc, clang and libffi differ: a struct or a
 * 64-bit integer is on the stack and uses up as many registers as it has words; floating and
 * complex arguments, and structs around one, use up none. Nobody but libffi calls FFI_PASCAL and
 * FFI_REGISTER as above.
 */
#include <ffi.h>

#define FS_ABI_TAKEN FFI_SYSV
#define FS_ABI_NAME                                                                                \
    "FFI_STDCALL, FFI_THISCALL, FFI_FASTCALL, FFI_PASCAL, FFI_REGISTER, FFI_MS_CDECL and FFI_SYSV"
#define FS_ABI_IS_TAKEN(abi)                                                                       \
    ((abi) == FFI_SYSV || (abi) == FFI_STDCALL || (abi) == FFI_THISCALL ||                         \
     (abi) == FFI_FASTCALL || (abi) == FFI_PASCAL || (abi) == FFI_REGISTER ||                      \
     (abi) == FFI_MS_CDECL)
#define FS_TAIL_LONGDOUBLE FS_TAIL_X87
#define FS_FLOAT_CLASS GPR
#define FS_DOUBLE_CLASS 0
#include "arch/abi_common.h"

enum { WORD = 4, HOMOGENEOUS_MAX = 4 };

#include "arch/abi_alignment.h"
#include "arch/abi_homogeneous.h"

static bool is_cdecl(unsigned abi)
{
    return abi == FFI_SYSV || abi == FFI_MS_CDECL;
}

static bool pops_all(unsigned abi)
{
    return abi == FFI_STDCALL || abi == FFI_THISCALL || abi == FFI_FASTCALL;
}

/* From the highest address down. */
static bool descends(unsigned abi)
{
    return abi == FFI_PASCAL || abi == FFI_REGISTER;
}

/* Where the n-th argument in a register is saved. */
static unsigned registers(unsigned abi, const uint8_t **at)
{
    static const uint8_t fast[] = {FS_FRAME_ECX, FS_FRAME_EDX};
    static const uint8_t borland[] = {FS_FRAME_EAX, FS_FRAME_EDX, FS_FRAME_ECX};
    *at = abi == FFI_REGISTER ? borland : fast;
    return abi == FFI_REGISTER ? 3 : abi == FFI_FASTCALL ? 2 : abi == FFI_THISCALL;
}

/* Structs are in memory whatever their size is; a complex type is where an integer of its size
 * would be. */
static int aggregate_tail(const ffi_type *t, unsigned *tail)
{
    struct homogeneous h;
    int error = classify(t, &h); /* only to find what is wrong with it */
    if (error)
        return error;
    *tail = t->type != FFI_TYPE_COMPLEX || t->size > 2 * WORD ? FS_TAIL_MEM
            : t->size > WORD                                  ? FS_TAIL_WORD
            : t->size > 2                                     ? FS_TAIL_U32
                                                              : FS_TAIL_U16;
    return 0;
}

/* Where the hidden pointer is, and who pops it. */
static int place_hidden_pointer(struct fs_abi *abi)
{
    if (descends(abi->convention))
        return fs_fail(-ENOTSUP,
                       "a result in memory: libffi's FFI_PASCAL and FFI_REGISTER contradict "
                       "themselves about where its address is");
    if (abi->convention == FFI_THISCALL || abi->convention == FFI_FASTCALL) {
        abi->tail = FS_TAIL_MEM_ECX;
        abi->gpr = 1;
        return 0;
    }
    abi->stack += WORD;
    if (abi->convention == FFI_SYSV)
        abi->popped = 1;
    else
        abi->tail = FS_TAIL_MEM_KEPT;
    return 0;
}

static int count_popped(struct fs_abi *abi)
{
    if (!pops_all(abi->convention))
        return 0;
    abi->popped = (abi->stack - FS_FRAME_STACK) / WORD;
    if (abi->popped > UINT16_MAX)
        return fs_fail(-ENOTSUP, "more arguments than a callee pops here: %u words", abi->popped);
    return 0;
}

int fs_abi_begin(struct fs_abi *abi, const ffi_cif *cif)
{
    *abi = (struct fs_abi){.stack = FS_FRAME_STACK,
                           .tail = FS_TAIL_WORD,
                           .convention = cif->abi,
                           .only_gpr = is_cdecl(cif->abi)};
    int error = begin_with_result(abi, cif);
    if (!error && descends(cif->abi))
        abi->stack += (uint32_t)align_up(cif->bytes, 16);
    if (!error && abi->tail == FS_TAIL_MEM)
        error = place_hidden_pointer(abi);
    return error ? error : count_popped(abi);
}

static int place_on_stack(struct fs_abi *abi, const ffi_type *t, unsigned index,
                          struct fs_place *place)
{
    uint32_t size = (uint32_t)align_up(t->size, WORD);
    abi->only_gpr &= size == WORD;
    if (!descends(abi->convention)) {
        place->at = abi->stack;
        abi->stack += size;
        return count_popped(abi);
    }
    if (abi->stack - FS_FRAME_STACK < size)
        return fs_fail(-EINVAL,
                       "argument %u lies below the %u bytes that the cif has; did "
                       "ffi_prep_cif() succeed?",
                       index, abi->stack - FS_FRAME_STACK);
    place->at = abi->stack -= size;
    return 0;
}

/* What gcc has a floating mode for: also a struct around one such member and nothing else. */
static bool is_floating(const ffi_type *t)
{
    while (t->type == FFI_TYPE_STRUCT && t->elements[0] && !t->elements[1] &&
           t->elements[0]->size == t->size)
        t = t->elements[0];
    return floating_size(t->type) || t->type == FFI_TYPE_COMPLEX;
}

/* In a register, or not but one less is left. */
static bool place_in_register(struct fs_abi *abi, const ffi_type *t, struct fs_place *place)
{
    const uint8_t *at;
    bool floating = is_floating(t);
    if (abi->gpr >= registers(abi->convention, &at))
        return false;
    if (!floating && t->type != FFI_TYPE_STRUCT && t->size <= WORD) {
        place->at = at[abi->gpr++];
        return true;
    }
    if (abi->convention != FFI_REGISTER && !floating)
        abi->gpr += (unsigned)align_up(t->size, WORD) / WORD;
    return false;
}

int fs_abi_argument(struct fs_abi *abi, const ffi_type *t, unsigned index, struct fs_place *place)
{
    struct homogeneous h;
    place->way = FS_DIRECT;
    int error = check_argument(abi, t, index);
    if (!error)
        error = is_aggregate(t) ? classify(t, &h) : check_scalar(t, "argument", index);
    if (error || place_in_register(abi, t, place))
        return error;
    if (t->size == 0) { /* GNU C's empty struct takes no place; any address serves */
        abi->only_gpr = false;
        place->at = FS_FRAME_STACK;
        return 0;
    }
    if ((error = place_on_stack(abi, t, index, place)))
        return error;
    mind_alignment(t, place, WORD);
    return 0;
}

extern FS_HIDDEN void *const fs_planned[FS_TAILS];

void *fs_abi_plan_entry(const struct fs_abi *abi)
{
    return is_cdecl(abi->convention) ? fs_planned[abi->tail] : NULL;
}
