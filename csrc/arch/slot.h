/* SPDX-License-Identifier: MIT */
/* slot.h - the data of one trampoline: what each of its words is, for C and assembly alike
 *
 * The first word is the entry, the code that the trampoline leads to. What the next words are is
 * the entry's business; the three behind them are libffi's, at the same places as in its
 * ffi_closure. arch.h has the same offsets as numbers, for assembly. They are compared here.
 *
 * A closure of the user's and one of libffi's are other views of the same bytes, which say so with
 * FS_IS_A_SLOT where their types are known.
 */
#ifndef FS_SLOT_H
#define FS_SLOT_H

#include "arch.h"
#include "base/base.h"

struct fs_long; /* plan/long.h */

#ifdef FS_SLOT_PLAN
/* How a planned entry finds the arguments; plan/plan.h says why. Two lists of bytes: where each
 * argument is, counted in FS_PLAN_UNIT bytes of the frame; then
 *   - if the frame has room for gathered structs (FS_FRAME_SCRATCH): for each of those where its
 *     two 8-byte pieces are, in the same units; they go there one behind the other, 16 bytes for
 *     each struct. FS_PLAN_HALVES: or two 4-byte pieces, the second of which is said to be at 1
 *     more than where it is;
 *   - the numbers of the arguments at whose place there is their address; FS_PLAN_REFERENCE is
 *     added to each, so that a list with both kinds can be told apart.
 * What an architecture needs besides is in a struct fs_long.
 *
 * Where words have 4 bytes, so few bytes are left that the entry says what of this it can: how the
 * result goes back is the entry's, and there is no second list. A place then has a byte
 * (FS_PLAN_BYTES), or FS_PLAN_FIELD bits, the first FS_PLAN_FIRST ones in word 1 from its lowest
 * bit on, the others so in word 0, above which is the number of arguments. */
#ifdef FS_PLAN_FIELD
struct fs_plan {
    uint32_t word[2];
};
#elif !defined FS_PLAN_TAIL
struct fs_plan {
    uint8_t nargs;
    uint8_t bytes[FS_PLAN_INLINE];
};
#else
struct fs_plan {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint8_t more, nargs;
#else
    uint8_t nargs, more; /* more: bytes of the second list */
#endif
    int16_t tail;                  /* fs_abi_tail_code() */
    uint8_t bytes[FS_PLAN_INLINE]; /* `nargs` and then `more` */
};
#endif
#endif

#ifdef FS_PLAN_REFERENCE
#define FS_PLAN_FAR FS_PLAN_REFERENCE
#else
#define FS_PLAN_REFERENCE 0
#define FS_PLAN_FAR 256
#endif
#ifndef FS_PLAN_HALVES
#define FS_PLAN_HALVES 0
#endif

/* What lies behind the entry; which of these it is, the entry tells. */
union fs_slot_body {
    char whole[FS_SLOT_CIF - FS_SLOT_ENTRY - sizeof(void *)];
#ifdef FS_SLOT_PLAN
    struct fs_plan plan;
    struct fs_long *spill; /* fs_entry_long: memory that the slot owns */
#endif
#ifdef FS_SLOT_REST
    struct {
        char counts[FS_SLOT_REST - FS_SLOT_PLAN]; /* of `plan`, its tail among them */
        const void *code;
    } rest; /* fs_abi_shaped_entry() */
#endif
#ifdef FS_HOP_REGISTERS
    struct {
#if FS_SLOT_HOP_DATA < FS_SLOT_HOP_CODE
        void *data;
        const void *code;
#else
        const void *code;
        void *data;
#endif
    } hop; /* arch/hop.h */
#endif
#ifdef FS_SLOT_EAX
    struct {
        char before[FS_SLOT_EAX - FS_SLOT_ENTRY - sizeof(void *)]; /* `spill` among it */
        void *past_eax;                                            /* fs_slot_in_eax */
    } raw;
#endif
};

struct fs_slot {
    void *entry;
    union fs_slot_body body;
    void *cif, *handler, *user_data;
    char rest[FS_SLOT_SIZE - FS_SLOT_DATA - sizeof(void *)];
};

_Static_assert(sizeof(struct fs_slot) == FS_SLOT_SIZE, "a slot");
_Static_assert(offsetof(struct fs_slot, entry) == FS_SLOT_ENTRY, "entry");
_Static_assert(offsetof(struct fs_slot, cif) == FS_SLOT_CIF, "cif");
_Static_assert(offsetof(struct fs_slot, handler) == FS_SLOT_HANDLER, "handler");
_Static_assert(offsetof(struct fs_slot, user_data) == FS_SLOT_DATA, "user data");
#ifdef FS_SLOT_PLAN
_Static_assert(offsetof(struct fs_slot, body.plan) == FS_SLOT_PLAN, "plan");
#ifdef FS_PLAN_FIELD
_Static_assert(FS_PLAN_INLINE *FS_PLAN_FIELD <= FS_PLAN_FIRST * FS_PLAN_FIELD + FS_PLAN_NARGS_BIT,
               "all places have room");
_Static_assert(FS_PLAN_FIRST *FS_PLAN_FIELD <= 32, "in the second word, too");
_Static_assert(FS_SLOT_PLAN + sizeof(struct fs_plan) == FS_SLOT_CIF, "all bytes that there are");
#else
_Static_assert(offsetof(struct fs_slot, body.plan.nargs) == FS_PLAN_NARGS, "nargs");
_Static_assert(offsetof(struct fs_slot, body.plan.bytes) == FS_PLAN_BYTES, "bytes");
_Static_assert(FS_PLAN_BYTES + FS_PLAN_INLINE == FS_SLOT_CIF, "all bytes that there are");
#endif
#endif
#ifdef FS_PLAN_TAIL
_Static_assert(offsetof(struct fs_slot, body.plan.more) == FS_PLAN_MORE, "more");
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
_Static_assert(FS_PLAN_MORE + 1 == FS_PLAN_NARGS, "entries compare both as one number");
#else
_Static_assert(FS_PLAN_MORE == FS_PLAN_NARGS + 1, "entries compare both as one number");
#endif
_Static_assert(offsetof(struct fs_slot, body.plan.tail) == FS_PLAN_TAIL, "tail");
#endif
#ifdef FS_SLOT_REST
_Static_assert(offsetof(struct fs_slot, body.rest.code) == FS_SLOT_REST, "the rest");
#endif
#ifdef FS_HOP_REGISTERS
_Static_assert(offsetof(struct fs_slot, body.hop.code) == FS_SLOT_HOP_CODE, "code");
_Static_assert(offsetof(struct fs_slot, body.hop.data) == FS_SLOT_HOP_DATA, "data");
#endif
#ifdef FS_SLOT_EAX
_Static_assert(offsetof(struct fs_slot, body.raw.past_eax) == FS_SLOT_EAX, "eax");
#endif

/* `type` fits a slot, and has libffi's three words where a slot has them. */
#define FS_IS_A_SLOT(type, its_handler)                                                            \
    _Static_assert(sizeof(type) <= FS_SLOT_SIZE, "its size");                                      \
    _Static_assert(offsetof(type, cif) == FS_SLOT_CIF, "its cif");                                 \
    _Static_assert(offsetof(type, its_handler) == FS_SLOT_HANDLER, "its handler");                 \
    _Static_assert(offsetof(type, user_data) == FS_SLOT_DATA, "its user data")

/* The entry is stored last: a thread that sees it sees the words that it needs. Where functions
 * have descriptors, libffi's entry finds its TOC pointer in a word of the closure. */
static inline void fs_slot_enter(void *slot, void *entry)
{
#ifdef FS_SLOT_TOC
    ((void **)slot)[FS_SLOT_TOC / sizeof(void *)] = ((void **)entry)[1];
#endif
    __atomic_store_n(&((struct fs_slot *)slot)->entry, entry, __ATOMIC_RELEASE);
}

#endif
