// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_riscv.c - RISC-V, 64-bit: the instructions of a trampoline
 *
 * Instructions are little-endian words. The instruction cache needs no care here: the pages are
 * new, and the kernel makes them coherent when it first maps one executable (flush_icache_pte).
 *
 * A trampoline begins with a landing pad without a label: `lpad 0`, which is auipc of x0 and does
 * nothing where there is no Zicfilp. None of the instructions is compressed, but where the
 * processor has compressed ones, each word can be entered at its upper half. A program chooses only
 * registers and how far the constants are: 1 to 128 times 4096, in auipc's upper half fff8 to ffff,
 * which are stores, branches on a register and what is undefined.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_RISCV 243
#define LPAD	 0x00000017u
#define EBREAK	 0x00100073u
#define T3	 28

static void put(__le32 **p, u32 instruction)
{
	*(*p)++ = cpu_to_le32(instruction);
}

/* auipc rd, to - .; ld rd, (rd): within 2 GiB. The upper part is rounded, as the lower is signed.
 */
static void put_load(__le32 **p, u32 rd, const void *to)
{
	u32 offset = (u32)((const char *)to - (const char *)*p);

	put(p, ((offset + 0x800) & 0xfffff000u) | rd << 7 | 0x17);
	put(p, offset << 20 | rd << 15 | 3u << 12 | rd << 7 | 0x03);
}

/* jalr x0, (rs1) */
static u32 jr(u32 rs1)
{
	return rs1 << 15 | 0x67;
}

/* jal x0: `offset` is not negative and within a block. Its bits 10-1 and 11 are apart. */
static u32 j(u32 offset)
{
	return (offset & 0x7fe) << 20 | (offset & 0x800) << 9 | 0x6f;
}

static void pad(void *at, size_t size)
{
	__le32 *p = at, *end = at + size;

	while (p < end)
		put(&p, EBREAK);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	__le32 *p = at;

	put(&p, LPAD);
	put_load(&p, data_register, at - size + TRAMPFD_DATA_AT);
	put_load(&p, code_register, at - size + TRAMPFD_CODE_AT);
	put(&p, jr(code_register));
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	__le32 *p = at;

	put(&p, LPAD);
	put_load(&p, data_register, at - size + TRAMPFD_DATA_AT);
	put(&p, j((u32)((const char *)stub - (const char *)p)));
}

static void stub(void *at, long size, u32 data_register)
{
	__le32 *p = at;

	put_load(&p, trampfd_native.code_register, TRAMPFD_BLOCK_OF(at) - size);
	put(&p, jr(trampfd_native.code_register));
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_RISCV,
	.flags = TRAMPFD_FLAGS,
	.registers = GENMASK_ULL(31, 3) | BIT_ULL(1), /* not zero, not the stack pointer */
	.code_registers = GENMASK_ULL(31, 3) | BIT_ULL(1),
	.code_register = T3,
	.code_align = 2,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
