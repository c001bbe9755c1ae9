// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_s390.c - s390x: the instructions of a trampoline
 *
 * Instructions have 2, 4 or 6 bytes, the first lowest. Caches are coherent.
 *
 * Code can be entered at each second byte. A program chooses only registers and how far the
 * constants are: 1 to 128 times 4096, so that in the two halves of lgrl's distance there are ffff
 * or fffe, and x800 or x000 and a few. Neither is a system call (0axx) or a branch.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_S390 22

static u8 *put16(u8 *p, u32 value)
{
	*p++ = value >> 8 & 0xff;
	*p++ = value & 0xff;
	return p;
}

/* The distance from the instruction, in units of 2 bytes, behind its first two. */
static u8 *put_distance(u8 *p, const void *target)
{
	u32 distance = (u32)(((const u8 *)target - (p - 2)) >> 1);

	return put16(put16(p, distance >> 16), distance);
}

/* lgrl r, target (z10) */
static u8 *put_load(u8 *p, u32 r, const void *target)
{
	return put_distance(put16(p, 0xc408 | r << 4), target);
}

/* br r */
static u8 *put_br(u8 *p, u32 r)
{
	return put16(p, 0x07f0 | r);
}

static void pad(void *at, size_t size)
{
	memset(at, 0, size); /* no operation has the code 0 */
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	u8 *p = put_load(at, data_register, at - size + TRAMPFD_DATA_AT);

	put_br(put_load(p, code_register, at - size + TRAMPFD_CODE_AT), code_register);
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	u8 *p = put_load(at, data_register, at - size + TRAMPFD_DATA_AT);

	put_distance(put16(p, 0xc0f4), stub); /* jg */
}

static void stub(void *at, long size, u32 data_register)
{
	u32 r = trampfd_native.code_register;

	put_br(put_load(at, r, TRAMPFD_BLOCK_OF(at) - size), r);
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_S390,
	.flags = TRAMPFD_FLAGS,
	.registers = GENMASK_ULL(14, 0),
	.code_registers = GENMASK_ULL(14, 1), /* a branch by r0 goes nowhere */
	.code_register = 1,
	.code_align = 2,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
