// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_loongarch.c - LoongArch, 64-bit: the instructions of a trampoline
 *
 * Instructions are little-endian words, and run at multiples of 4 only. The processor keeps the
 * instruction cache coherent with stores, and a page that is new was in no pipeline.
 *
 * There are no landing pads. A program chooses only registers and how far the constants are, both
 * in fields of pcaddi and ld.d: no choice makes another instruction of them.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_LOONGARCH 258
#define BREAK	     0x002a0000u
#define T1	     13

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* pcaddi rd, to - .; ld.d rd, rd, 0: within 2 MiB, in words. */
static void put_load(__le32 **p, u32 rd, const void *to)
{
	u32 offset = (u32)((const char *)to - (const char *)*p);

	put(p, (offset >> 2 & 0xfffff) << 5 | rd | 0x18000000);
	put(p, rd << 5 | rd | 0x28c00000);
}

/* jirl zero, rj, 0 */
static u32 jr(u32 rj)
{
	return rj << 5 | 0x4c000000;
}

/* b: `offset` is not negative and within a block, so its upper half, which has the low bits of the
 * instruction, is 0.
 */
static u32 b(u32 offset)
{
	return (offset >> 2) << 10 | 0x50000000;
}

static void pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, BREAK);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	__le32 *p = at;

	put_load(&p, data_register, at - size + TRAMPFD_DATA_AT);
	put_load(&p, code_register, at - size + TRAMPFD_CODE_AT);
	put(&p, jr(code_register));
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	__le32 *p = at;

	put_load(&p, data_register, at - size + TRAMPFD_DATA_AT);
	put(&p, b((u32)((const char *)stub - (const char *)p)));
}

static void stub(void *at, long size, u32 data_register)
{
	__le32 *p = at;

	put_load(&p, trampfd_native.code_register, TRAMPFD_BLOCK_OF(at) - size);
	put(&p, jr(trampfd_native.code_register));
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_LOONGARCH,
	.flags = TRAMPFD_FLAGS,
	.registers = GENMASK_ULL(31, 4) | GENMASK_ULL(2, 1), /* not zero, not the stack pointer */
	.code_registers = GENMASK_ULL(31, 4) | GENMASK_ULL(2, 1),
	.code_register = T1,
	.code_align = 4,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
