/* SPDX-License-Identifier: MIT */
/* bytes.h - s390x: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

/* An instruction of six bytes whose last four are a distance in halves of words. */
static unsigned char *relative(unsigned char *p, unsigned first, unsigned second, ptrdiff_t to)
{
    uint32_t distance = (uint32_t)(to / 2);
    unsigned char six[] = {(unsigned char)first,
                           (unsigned char)second,
                           (unsigned char)(distance >> 24),
                           (unsigned char)(distance >> 16),
                           (unsigned char)(distance >> 8),
                           (unsigned char)distance};
    memcpy(p, six, 6);
    return p + 6;
}

/* lgrl: c4 r8. br: 07 fr. jg: c0 f4. */
static unsigned char *load(unsigned char *p, unsigned r, ptrdiff_t to)
{
    return relative(p, 0xc4, r * 16 + 8, to);
}

static void br(unsigned char *p, unsigned r)
{
    p[0] = 0x07;
    p[1] = (unsigned char)(0xf0 + r);
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    unsigned c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 1;
    unsigned char *p = load(at, arg->data_register, 16 - size);
    br(load(p, c, 24 - 6 - size), c);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    unsigned char *p = load(at, arg->data_register, 16 - size);
    relative(p, 0xc0, 0xf4, (ptrdiff_t)(255 - in_block) * 16 - 6);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    br(load(at, 1, -4080 - size), 1);
}

static void padding(unsigned char *out, size_t size)
{
    memset(out, 0, size);
}

#endif
