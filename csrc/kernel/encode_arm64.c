// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_arm64.c - arm64: the instructions of a trampoline
 *
 * Instructions are little-endian words on a big-endian system too, so they go through
 * cpu_to_le32(). No code here cleans the instruction cache: the pages are new, and the kernel makes
 * a page coherent when it first maps the page executable.
 *
 * Each word is one of bti, ldr (literal), br, b and brk. Words are aligned, so no jump can enter
 * one in the middle. A program chooses only the registers and how far ldr reaches.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_AARCH64 183
#define BTI_C	   0xd503245fu
#define BRK_0	   0xd4200000u

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* How far `to` is from `p`. */
static long distance(const __le32 *p, const void *to)
{
	return (const char *)to - (const char *)p;
}

/* Reaches 1 MiB to both sides: further than a table is large. */
static u32 ldr_literal(u32 rt, long offset)
{
	return 0x58000000u | (u32)(offset >> 2 & 0x7ffff) << 5 | rt;
}

static u32 br(u32 rn)
{
	return 0xd61f0000u | rn << 5;
}

static u32 b(long offset)
{
	return 0x14000000u | (u32)(offset >> 2 & 0x3ffffff);
}

static void pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, BRK_0);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	__le32 *p = at;

	put(&p, BTI_C);
	put(&p, ldr_literal(data_register, distance(p, at - size + TRAMPFD_DATA_AT)));
	put(&p, ldr_literal(code_register, distance(p, at - size + TRAMPFD_CODE_AT)));
	put(&p, br(code_register));
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	__le32 *p = at;

	put(&p, BTI_C);
	put(&p, ldr_literal(data_register, distance(p, at - size + TRAMPFD_DATA_AT)));
	put(&p, b(distance(p, stub)));
}

static void stub(void *at, long size, u32 data_register)
{
	__le32 *p = at;

	put(&p,
	    ldr_literal(trampfd_native.code_register, distance(p, TRAMPFD_BLOCK_OF(at) - size)));
	put(&p, br(trampfd_native.code_register));
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_AARCH64,
	.flags = TRAMPFD_FLAGS,
	.registers = GENMASK_ULL(30, 0),
	.code_registers = GENMASK_ULL(30, 0),
	.code_register = 16,
	.code_align = 4,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
