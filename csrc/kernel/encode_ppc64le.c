// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_ppc64le.c - 64-bit Power, little-endian: the instructions of a trampoline
 *
 * A call by pointer arrives with the callee's address in r12 (ELFv2), so everything is found from
 * r12; whoever jumps to a trampoline with something else there breaks the ABI. Jumps go through
 * CTR, and unless another register is named through r12, where the code they lead to expects its
 * own address.
 *
 * Each word is one of addis, ld, rldicr, mtctr, bctr, b and trap, wherever it is entered, because
 * words are aligned. The instruction cache needs no care here: the pages are new, and the kernel
 * makes them coherent when it first maps one executable.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_PPC64      21
#define BCTR	      0x4e800420u
#define CLRRDI_12_12  0x798c04e4u /* clrrdi r12, r12, 12: to the start of a block */
#define TRAP_ALWAYS   0x7fe00008u
#define R12	      12
#define NOT_R0_NOR_SP GENMASK_ULL(31, 2) /* as a base r0 is zero */

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* addis rt, r12, offset; ld rt, offset(rt). The upper part is rounded, as the lower is signed. */
static void put_load(__le32 **p, u32 rt, long offset)
{
	put(p, 15u << 26 | rt << 21 | R12 << 16 | ((u32)(offset + 0x8000) >> 16));
	put(p, 58u << 26 | rt << 21 | rt << 16 | ((u32)offset & 0xffff));
}

static u32 mtctr(u32 rs)
{
	return 0x7c0903a6u | rs << 21;
}

static void pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, TRAP_ALWAYS);
}

/* The code first: the data may go to r12. */
static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	__le32 *p = at;

	if (code_register == R12) {
		put_load(&p, data_register, TRAMPFD_DATA_AT - size);
		put_load(&p, code_register, TRAMPFD_CODE_AT - size);
		put(&p, mtctr(code_register));
	} else {
		put_load(&p, code_register, TRAMPFD_CODE_AT - size);
		put(&p, mtctr(code_register));
		put_load(&p, data_register, TRAMPFD_DATA_AT - size);
	}
	put(&p, BCTR);
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	__le32 *p = at;

	put_load(&p, data_register, TRAMPFD_DATA_AT - size);
	put(&p, CLRRDI_12_12);
	put(&p, 18u << 26 | (u32)((const char *)stub - (const char *)p)); /* b */
}

static void stub(void *at, long size, u32 data_register)
{
	__le32 *p = at;

	put_load(&p, R12, -size);
	put(&p, mtctr(R12));
	put(&p, BCTR);
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_PPC64,
	.flags = TRAMPFD_FLAGS,
	.registers = NOT_R0_NOR_SP,
	.code_registers = NOT_R0_NOR_SP,
	.code_register = R12,
	.code_align = 4,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
