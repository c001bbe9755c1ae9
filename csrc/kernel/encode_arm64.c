// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_arm64.c - arm64: the instructions of a trampoline
 *
 * Instructions are little-endian words whatever the data is, so they go through cpu_to_le32();
 * literals are data. The instruction cache needs no care here: the pages are new, and the kernel
 * makes them coherent when it first maps one executable.
 *
 * The addresses that a caller chooses are either split over the operands of moves, or are code's:
 * aligned to 4, where every landing pad (bti, paciasp) has 3 in its lowest bits. None can hide.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_AARCH64 183
#define BTI_C	   0xd503245fu
#define BRK_0	   0xd4200000u

const struct trampfd_arch trampfd_arch = {
	.machine = EM_AARCH64,
	.registers = GENMASK_ULL(30, 0),
	.code_register = 16,
	.code_align = 4,
	.data_end = BIT_ULL(48), /* three moves */
};

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* How far `to` is from `p`. */
static s64 distance(const __le32 *p, const void *to)
{
	return (const char *)to - (const char *)p;
}

static u32 movz(u32 rd, u64 value)
{
	return 0xd2800000u | (u32)(value & 0xffff) << 5 | rd;
}

static u32 movk(u32 rd, u64 value, u32 which)
{
	return 0xf2800000u | which << 21 | (u32)(value >> (16 * which) & 0xffff) << 5 | rd;
}

static u32 ldr_literal(u32 rt, s64 offset)
{
	return 0x58000000u | (u32)(offset >> 2 & 0x7ffff) << 5 | rt;
}

static u32 br(u32 rn)
{
	return 0xd61f0000u | rn << 5;
}

static u32 b(s64 offset)
{
	return 0x14000000u | (u32)(offset >> 2 & 0x3ffffff);
}

/* adr, or with `page` adrp, whose offset counts in 4 KiB. */
static u32 adr(u32 rd, s64 offset, bool page)
{
	return (page ? 0x90000000u : 0x10000000u) | (u32)(offset & 3) << 29 |
	       (u32)(offset >> 2 & 0x7ffff) << 5 | rd;
}

static u32 add_low12(u32 rd, u64 address)
{
	return 0x91000000u | (u32)(address & 0xfff) << 10 | rd << 5 | rd;
}

void trampfd_arch_pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, BRK_0);
}

int trampfd_arch_literal(void *at, u64 code)
{
	memcpy(at, &code, sizeof(code));
	return 0;
}

int trampfd_arch_absolute(void *at, u64 data, u32 data_register, const void *literal,
			  u32 code_register)
{
	__le32 *p = at;

	put(&p, BTI_C);
	put(&p, movz(data_register, data));
	put(&p, movk(data_register, data, 1));
	put(&p, movk(data_register, data, 2));
	put(&p, ldr_literal(code_register, distance(p, literal)));
	put(&p, br(code_register));
	return 0;
}

int trampfd_arch_compact(void *at, u64 pc, u64 data, u32 data_register, u32 stub)
{
	__le32 *p = at;
	s64 near = (s64)(data - (pc + 4));
	s64 pages = (s64)(data >> 12) - (s64)((pc + 4) >> 12);
	bool is_near = near >= -(s64)SZ_1M && near < (s64)SZ_1M;

	put(&p, BTI_C);
	if (is_near) {
		put(&p, adr(data_register, near, false));
	} else if (pages >= -(s64)SZ_1M && pages < (s64)SZ_1M) {
		put(&p, adr(data_register, pages, true));
		put(&p, add_low12(data_register, data));
	} else {
		return -ERANGE;
	}
	put(&p, b(distance(p, at + stub)));
	if (is_near)
		put(&p, BRK_0);
	return 0;
}

int trampfd_arch_stub(void *at, u64 code)
{
	__le32 *p = at;

	put(&p, ldr_literal(trampfd_arch.code_register, TRAMPFD_COMPACT_LITERAL));
	put(&p, br(trampfd_arch.code_register));
	return trampfd_arch_literal(p, code);
}
