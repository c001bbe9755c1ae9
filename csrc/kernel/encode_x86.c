// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_x86.c - x86-64: the instructions of a trampoline
 *
 * Registers are written through REX.B (opcode and r/m fields) and REX.R (reg field), which is right
 * for all sixteen. No form here has a register as the base of an address: rbp, r12 and r13 have
 * exceptions there, and are mis-encoded easily.
 *
 * Where indirect branch tracking is on, an indirect branch can only arrive at an endbr64. The
 * bytes that a caller chooses are operands and literals, so those must not hold one. None can
 * reach beyond them: no byte of an opcode here is one of its four (f3 0f 1e fa), the highest byte
 * of an address is 0, and displacements inside a block have two zeros.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "trampfd.h"

#define EM_X86_64    62
#define ENDBR64	     0xfa1e0ff3u /* f3 0f 1e fa */
#define INT3	     0xcc
#define REX_W	     0x48
#define REX_B(r)     ((r) >> 3)
#define REX_R(r)     ((r) >> 3 << 2)
#define LOW(r)	     (7 & (r))
#define RIP_DISP(r)  (LOW(r) << 3 | 5) /* ModRM: reg, disp32(%rip) */
#define REG_DIRECT   0xe0	       /* ModRM: opcode extension 4, register */
#define NO_STACK_PTR (0xffffu & ~(1u << 4))

const struct trampfd_arch trampfd_arch = {
	.machine = EM_X86_64,
	.registers = NO_STACK_PTR,
	.code_register = ~0u,
	.code_align = 1,
	.data_end = U64_MAX,
};

void trampfd_arch_pad(void *at, size_t size)
{
	memset(at, INT3, size);
}

static u8 *put32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static u8 *put64(u8 *p, u64 value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static bool holds_endbr(u64 value)
{
	int shift;

	for (shift = 0; shift <= 32; shift += 8)
		if ((u32)(value >> shift) == ENDBR64)
			return true;
	return false;
}

/* The displacement from the end of a field of four bytes. */
static u8 *put_disp32(u8 *p, const void *target)
{
	return put32(p, (u32)((const u8 *)target - (p + 4)));
}

int trampfd_arch_literal(void *at, u64 code)
{
	if (holds_endbr(code))
		return -EILSEQ;
	put64(at, code);
	return 0;
}

int trampfd_arch_absolute(void *at, u64 data, u32 data_register, const void *literal,
			  u32 code_register)
{
	u8 *p = put32(at, ENDBR64);

	if (holds_endbr(data))
		return -EILSEQ;
	*p++ = REX_W | REX_B(data_register); /* movabs $data, %R */
	*p++ = 0xb8 | LOW(data_register);
	p = put64(p, data);
	if (code_register == trampfd_arch.code_register) {
		*p++ = 0xff; /* jmp *literal(%rip) */
		*p++ = 0x25;
		put_disp32(p, literal);
		return 0;
	}
	*p++ = REX_W | REX_R(code_register); /* mov literal(%rip), %C */
	*p++ = 0x8b;
	*p++ = RIP_DISP(code_register);
	p = put_disp32(p, literal);
	if (code_register >= 8)
		*p++ = 0x40 | REX_B(code_register);
	*p++ = 0xff; /* jmp *%C */
	*p++ = REG_DIRECT | LOW(code_register);
	return 0;
}

int trampfd_arch_compact(void *at, u64 pc, u64 data, u32 data_register, u32 stub)
{
	u8 *p = put32(at, ENDBR64);
	s64 disp = (s64)(data - (pc + 4 + 7));

	if (disp != (s32)disp)
		return -ERANGE;
	if ((u32)disp == ENDBR64)
		return -EILSEQ;
	*p++ = REX_W | REX_R(data_register); /* lea data(%rip), %R */
	*p++ = 0x8d;
	*p++ = RIP_DISP(data_register);
	p = put32(p, (u32)disp);
	*p++ = 0xe9; /* jmp stub */
	put_disp32(p, at + stub);
	return 0;
}

int trampfd_arch_stub(void *at, u64 code)
{
	u8 *p = at;

	*p++ = 0xff; /* jmp *2(%rip) */
	*p++ = 0x25;
	p = put_disp32(p, at + TRAMPFD_COMPACT_LITERAL);
	*p++ = INT3;
	*p++ = INT3;
	return trampfd_arch_literal(p, code);
}
