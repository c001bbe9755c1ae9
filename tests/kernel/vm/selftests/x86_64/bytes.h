/* SPDX-License-Identifier: MIT */
/* bytes.h - x86-64: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static unsigned char *bytes(unsigned char *p, const char *what, size_t n)
{
    memcpy(p, what, n);
    return p + n;
}

/* A displacement: `from` trampoline to `to`, both in bytes of the code. */
static unsigned char *relative(unsigned char *p, const unsigned char *base, ptrdiff_t to)
{
    int32_t value = (int32_t)(to - (p + 4 - base));
    memcpy(p, &value, 4);
    return p + 4;
}

/* REX.W (+R) 8b /r with mod 0 and rm 5: mov to(%rip), reg. */
static unsigned char *load(unsigned char *p, const unsigned char *base, unsigned r, ptrdiff_t to)
{
    const char head[] = {(char)(r < 8 ? 0x48 : 0x4c), (char)0x8b, (char)(0x05 + r % 8 * 8)};
    return relative(bytes(p, head, 3), base, to);
}

/* jmp through memory: ff /4; through a register: (REX.B) ff /4 with mod 3. */
static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    unsigned c = arg->code_register;
    unsigned char *p = bytes(at, "\xf3\x0f\x1e\xfa", 4);
    p = load(p, at, arg->data_register, 16 - size);
    if (!(arg->flags & TRAMPFD_CODE_REGISTER)) {
        relative(bytes(p, "\xff\x25", 2), at, 24 - size);
        return;
    }
    p = load(p, at, c, 24 - size);
    if (c >= 8)
        *p++ = 0x41;
    *p++ = 0xff;
    *p++ = (unsigned char)(0xe0 + c % 8);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    unsigned char *p = bytes(at, "\xf3\x0f\x1e\xfa", 4);
    p = load(p, at, arg->data_register, 16 - size);
    relative(bytes(p, "\xe9", 1), at, (ptrdiff_t)(255 - in_block) * 16);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    relative(bytes(at, "\xff\x25", 2), at, -4080 - size);
}

static void padding(unsigned char *out, size_t size)
{
    memset(out, 0xcc, size);
}

#endif
