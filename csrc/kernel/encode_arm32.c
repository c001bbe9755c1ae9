// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_arm32.c - 32-bit ARM programs on an arm64 kernel: the instructions of a trampoline
 *
 * ARM code, not Thumb; the address that it jumps to may be either's. Each word is one of sub, ldr,
 * bx, b and udf. The constants are up to 512 KiB before the code, further than a load reaches, so
 * the register that the jump goes through (ip where none is named) is first put `size` bytes before
 * the PC. They have 64 bits, of which the lower half counts.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_ARM	     40
#define UDF_0	     0xe7f000f0u
#define IP	     12
#define PC_AHEAD     8
#define NO_SP_NOR_PC (0xffffu & ~(1u << 13 | 1u << 15))

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* sub r, pc, #size: 1 to 128 times 4096, which is eight bits rotated to the right by 20. */
static u32 sub_size(u32 r, long size)
{
	return 0xe24f0a00u | r << 12 | (u32)(size >> 12);
}

/* ldr rt, [rn, #offset]: within 4095 bytes to both sides. */
static u32 ldr(u32 rt, u32 rn, int offset)
{
	u32 up = offset < 0 ? 0 : 1u << 23;

	return 0xe5100000u | up | rn << 16 | rt << 12 | (u32)(offset < 0 ? -offset : offset);
}

static u32 bx(u32 rm)
{
	return 0xe12fff10u | rm;
}

static void pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, UDF_0);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	__le32 *p = at;

	put(&p, sub_size(code_register, size));
	put(&p, ldr(data_register, code_register, TRAMPFD_DATA_AT - PC_AHEAD));
	put(&p, ldr(code_register, code_register, TRAMPFD_CODE_AT - PC_AHEAD));
	put(&p, bx(code_register));
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	__le32 *p = at;

	put(&p, sub_size(IP, size));
	put(&p, ldr(data_register, IP, TRAMPFD_DATA_AT - PC_AHEAD));
	put(&p, 0xea000000u | (u32)((const char *)stub - (const char *)p - PC_AHEAD) >> 2);
}

static void stub(void *at, long size, u32 data_register)
{
	__le32 *p = at;

	put(&p, sub_size(IP, size));
	put(&p, ldr(IP, IP, (int)((char *)TRAMPFD_BLOCK_OF(at) - (char *)at) - PC_AHEAD));
	put(&p, bx(IP));
}

const struct trampfd_arch trampfd_compat = {
	.machine = EM_ARM,
	.flags = TRAMPFD_FLAGS,
	.registers = NO_SP_NOR_PC,
	.code_registers = NO_SP_NOR_PC,
	.code_register = IP,
	.code_align = 1,
	.code_max = U32_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
