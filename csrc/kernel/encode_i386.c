// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * encode_i386.c - i386 programs on an x86-64 kernel: the instructions of a trampoline
 *
 * No operand is relative to the PC here, so a trampoline finds it by a call of the next instruction
 * into the register that it jumps through (%eax where none is named), which puts a word below the
 * stack pointer. The constants have 64 bits, of which the lower half counts. The compact form also
 * spends the flags.
 *
 * What a program chooses is worth nothing in the middle of an instruction, for the reasons in
 * encode_x86.c, and whether the code is run in 32-bit or in 64-bit mode: registers, and `size`. The
 * nop makes the displacements
 *
 *	06 x0 fy ff	data (also of a compact block)
 *	0e x0 fy ff	code
 *	00 x0 fy ff	code of a compact block
 *
 * with 0 to f for x and 8 to f for y.
 */
#include <linux/string.h>

#include "trampfd.h"

#define EM_386	     3
#define ENDBR32	     0xfb1e0ff3u /* f3 0f 1e fb */
#define INT3	     0xcc
#define EAX	     0
#define HERE	     10 /* what fs_here finds is so many bytes behind the start */
#define NO_STACK_PTR (0xffu & ~(1u << 4))
#define MEMORY(r, b) (0x80 | (r) << 3 | (b)) /* ModRM: reg, disp32(base); the base is not %esp */

static u8 *put32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

/* endbr32; nop; call .; pop %reg */
static u8 *put_start(u8 *p, u32 reg)
{
	p = put32(p, ENDBR32);
	*p++ = 0x90;
	*p++ = 0xe8;
	p = put32(p, 0);
	*p++ = 0x58 | reg;
	return p;
}

/* mov disp(%base), %reg */
static u8 *put_load(u8 *p, u32 reg, u32 base, long disp)
{
	*p++ = 0x8b;
	*p++ = MEMORY(reg, base);
	return put32(p, (u32)disp);
}

static void pad(void *at, size_t size)
{
	memset(at, INT3, size);
}

static void absolute(void *at, long size, u32 data_register, u32 code_register)
{
	u8 *p = put_start(at, code_register);

	p = put_load(p, data_register, code_register, TRAMPFD_DATA_AT - HERE - size);
	p = put_load(p, code_register, code_register, TRAMPFD_CODE_AT - HERE - size);
	*p++ = 0xff; /* jmp *%reg */
	*p++ = 0xe0 | code_register;
}

/*
 * The load of the data depends on nothing but %eax, so it is in the stub, which all share. There is
 * room for it because this form's jump finds its block in %eax: andw $0xf000, %ax.
 */
static void compact(void *at, long size, u32 data_register, const void *stub)
{
	u8 *p = put_start(at, EAX);

	*p++ = 0xe9; /* jmp stub */
	put32(p, (u32)((const u8 *)stub - (p + 4)));
}

static void stub(void *at, long size, u32 data_register)
{
	u8 *p = put_load(at, data_register, EAX, TRAMPFD_DATA_AT - HERE - size);

	p = put32(p, 0xf0002566); /* andw $0xf000, %ax */
	*p++ = 0xff;		  /* jmp *-size(%eax) */
	*p++ = MEMORY(4, EAX);
	put32(p, (u32)-size);
}

const struct trampfd_arch trampfd_compat = {
	.machine = EM_386,
	.flags = TRAMPFD_FLAGS,
	.registers = NO_STACK_PTR,
	.code_registers = NO_STACK_PTR,
	.code_register = EAX,
	.code_align = 1,
	.code_max = U32_MAX,
	.pad = pad,
	.absolute = absolute,
	.compact = compact,
	.stub = stub,
};
