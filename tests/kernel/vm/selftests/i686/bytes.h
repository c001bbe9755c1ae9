/* SPDX-License-Identifier: MIT */
/* bytes.h - i386: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static unsigned char *bytes(unsigned char *p, const char *what, size_t n)
{
    memcpy(p, what, n);
    return p + n;
}

/* An opcode, a register field with a base register and mod 2, and 32 bits. */
static unsigned char *based(unsigned char *p, unsigned opcode, unsigned r, unsigned base,
                            ptrdiff_t disp)
{
    *p++ = (unsigned char)opcode;
    *p++ = (unsigned char)(2 * 64 + r * 8 + base);
    memcpy(p, &disp, 4);
    return p + 4;
}

/* endbr32; nop; call the next instruction; pop r: which is then 10 bytes behind the start. */
static unsigned char *start(unsigned char *p, unsigned r)
{
    p = bytes(p, "\xf3\x0f\x1e\xfb\x90\xe8\0\0\0\0", 10);
    *p++ = (unsigned char)(0x58 + r);
    return p;
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    unsigned c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 0;
    unsigned char *p = start(at, c);
    p = based(p, 0x8b, arg->data_register, c, 6 - size);
    p = based(p, 0x8b, c, c, 14 - size);
    *p++ = 0xff;
    *p++ = (unsigned char)(0xe0 + c);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    int32_t to = (int32_t)(255 - in_block) * 16 - 16;
    unsigned char *p = start(at, 0);
    (void)arg, (void)size;
    *p++ = 0xe9;
    memcpy(p, &to, 4);
}

/* mov, andw $0xf000, %ax, jmp. */
static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    unsigned char *p = based(at, 0x8b, arg->data_register, 0, 6 - size);
    based(bytes(p, "\x66\x25\x00\xf0", 4), 0xff, 4, 0, -size);
}

static void padding(unsigned char *out, size_t size)
{
    memset(out, 0xcc, size);
}

#endif
