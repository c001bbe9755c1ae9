// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_x86.c - x86-64: the instructions of a trampoline
 *
 * Registers are written through REX.B (opcode and r/m fields) and REX.R (reg field), which is right
 * for all sixteen. No instruction here has a register as the base of an address. As a base, rbp,
 * r12 and r13 would need special encodings.
 *
 * An attacker who can jump anywhere can jump into the middle of an instruction. So the bytes that a
 * program chooses must not be useful instructions there. A program chooses registers, which are
 * three bits of a byte and one bit of a prefix, and `size`, how far away the constants are: 1 to
 * 128 times 4096. The constants lie before the code, 16 bytes further up than the trampoline, so
 * the displacements to them are
 *
 *	05 x0 fy ff	data	(0a x0 fy ff: the code of a compact block)
 *	07 x0 fy ff	code, jmp
 *	06 x0 fy ff	code, mov
 *
 * with 0 to f for x and 8 to f for y. None of them contains the byte 0f, with which syscall, wrpkru
 * and the other instructions begin that gadgets need. (The jumps of the first fifteen compact
 * trampolines of a block contain 0f 00 00, which is sldt, whatever the program chose.) A processor
 * that begins inside an instruction soon meets an undefined instruction, a trap, or the rest of the
 * trampoline. tests/kernel/test_kernel.py makes every trampoline that there can be, and looks.
 */
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

static void pad(void *at, size_t size)
{
	memset(at, INT3, size);
}

static u8 *put32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

/* The displacement from the end of a field of four bytes. */
static u8 *put_disp32(u8 *p, const void *target)
{
	return put32(p, (u32)((const u8 *)target - (p + 4)));
}

/* mov target(%rip), %reg */
static u8 *put_load(u8 *p, u32 reg, const void *target)
{
	*p++ = REX_W | REX_R(reg);
	*p++ = 0x8b;
	*p++ = RIP_DISP(reg);
	return put_disp32(p, target);
}

/* jmp *target(%rip) */
static u8 *put_jump(u8 *p, const void *target)
{
	*p++ = 0xff;
	*p++ = 0x25;
	return put_disp32(p, target);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	const void *code = at - size + TRAMPFD_CODE_AT;
	u8 *p = put32(at, ENDBR64);

	p = put_load(p, data_register, at - size + TRAMPFD_DATA_AT);
	if (code_register == trampfd_native.code_register) {
		put_jump(p, code);
		return;
	}
	p = put_load(p, code_register, code);
	if (code_register >= 8)
		*p++ = 0x40 | REX_B(code_register);
	*p++ = 0xff; /* jmp *%C */
	*p++ = REG_DIRECT | LOW(code_register);
}

static void compact(void *at, long size, u32 data_register, const void *stub)
{
	u8 *p = put32(at, ENDBR64);

	p = put_load(p, data_register, at - size + TRAMPFD_DATA_AT);
	*p++ = 0xe9; /* jmp stub */
	put_disp32(p, stub);
}

static void stub(void *at, long size, u32 data_register)
{
	put_jump(at, TRAMPFD_BLOCK_OF(at) - size);
}

const struct trampfd_arch trampfd_native = {
	.machine = EM_X86_64,
	.flags = TRAMPFD_FLAGS,
	.registers = NO_STACK_PTR,
	.code_registers = NO_STACK_PTR,
	.code_register = ~0u,
	.code_align = 1,
	.code_max = U64_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
