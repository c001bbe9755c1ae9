/* SPDX-License-Identifier: MIT */
/* hop.h - entries that load a register and jump: what an architecture's hop.S offers
 *
 * A trampoline in its general form is (code, data, register): it loads `data` into the register
 * that the user named and jumps to the user's code, with everything else as it was. Our trampolines
 * load only the slot's address, into R. The slot's entry is a hop then, and the next two words are
 * code and data. So the general form works on trampolines of every provider.
 *
 * There is one hop for every pair (data register, code register or none), each FS_HOP_SIZE bytes,
 * in a grid: one row of FS_HOP_REGISTERS for each code register. The stack pointer's row is that
 * of no code register; its column, and the places where both registers would be the same, are
 * filled with traps. Which register has which number is arch.h's (the psABI's DWARF numbers). Where
 * every jump goes through one register, which can hold no data then, that is FS_HOP_JUMP.
 * FS_HOP_ZERO is one that is always zero.
 *
 * An architecture without hops defines no FS_HOP_REGISTERS.
 */
#ifndef FS_HOP_H
#define FS_HOP_H

#include "arch.h"
#include "arch/slot.h"
#include "base/base.h"

#ifdef FS_HOP_REGISTERS
extern FS_HIDDEN const char fs_hops[];

#define FS_HAS_HOPS true

static inline bool fs_hop_loads(unsigned reg)
{
#ifdef FS_HOP_ZERO
    if (reg == FS_HOP_ZERO)
        return false;
#endif
    return reg < FS_HOP_REGISTERS && reg != FS_HOP_SP;
}

static inline bool fs_hop_loads_data(unsigned reg)
{
#ifdef FS_HOP_JUMP
    if (reg == FS_HOP_JUMP)
        return false;
#endif
    return fs_hop_loads(reg);
}

/* One that fs_hop_loads_data() and another that fs_hop_loads(); or `code` is FS_HOP_SP, for none.
 */
static inline void *fs_hop_entry(unsigned data, unsigned code)
{
    return (void *)(uintptr_t)(fs_hops + (code * FS_HOP_REGISTERS + data) * FS_HOP_SIZE);
}

/* Is `entry` a hop, and which? */
static inline bool fs_hop_registers(const void *entry, unsigned *data, unsigned *code)
{
    size_t at = (uintptr_t)entry - (uintptr_t)fs_hops;
    if (at >= (size_t)FS_HOP_REGISTERS * FS_HOP_REGISTERS * FS_HOP_SIZE)
        return false;
    *data = (unsigned)(at / FS_HOP_SIZE % FS_HOP_REGISTERS);
    *code = (unsigned)(at / FS_HOP_SIZE / FS_HOP_REGISTERS);
    return true;
}

/* Make a live slot hop. */
static inline void fs_hop_bind(struct fs_slot *slot, void *entry, const void *code, void *data)
{
    slot->body.hop.code = code;
    slot->body.hop.data = data;
    fs_slot_enter(slot, entry);
}

/* Where a slot that hops goes, and with what. */
static inline void fs_hop_get(const struct fs_slot *slot, const void **code, void **data)
{
    *code = slot->body.hop.code;
    *data = slot->body.hop.data;
}
#else
#define FS_HAS_HOPS false
#define FS_HOP_SP 0

static inline bool fs_hop_loads(unsigned reg)
{
    return (void)reg, false;
}

static inline bool fs_hop_loads_data(unsigned reg)
{
    return (void)reg, false;
}

static inline void *fs_hop_entry(unsigned data, unsigned code)
{
    return (void)data, (void)code, NULL;
}

static inline bool fs_hop_registers(const void *entry, unsigned *data, unsigned *code)
{
    *data = *code = 0;
    return (void)entry, false;
}

static inline void fs_hop_bind(struct fs_slot *slot, void *entry, const void *code, void *data)
{
    (void)slot, (void)entry, (void)code, (void)data;
}

static inline void fs_hop_get(const struct fs_slot *slot, const void **code, void **data)
{
    (void)slot;
    *code = *data = NULL;
}
#endif

#endif
