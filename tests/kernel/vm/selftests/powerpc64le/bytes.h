/* SPDX-License-Identifier: MIT */
/* bytes.h - 64-bit Power: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static void word(unsigned char **p, uint32_t instruction)
{
    memcpy(*p, &instruction, 4);
    *p += 4;
}

/* addis t, r12, upper; ld t, lower(t): the lower 16 bits are signed. */
static void load(unsigned char **p, uint32_t t, int32_t from)
{
    int32_t lower = (int16_t)from, upper = (from - lower) / 65536;
    word(p, 0x3c0c0000u + t * 0x200000u + ((uint32_t)upper & 0xffff));
    word(p, 0xe8000000u + t * 0x210000u + ((uint32_t)lower & 0xffff));
}

/* mtctr: 7c 09 03 a6 and the register. */
static void to_ctr(unsigned char **p, uint32_t r)
{
    word(p, 0x7c0903a6u + r * 0x200000u);
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    uint32_t c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 12;
    unsigned char *p = at;
    if (c == 12)
        load(&p, arg->data_register, (int32_t)(16 - size));
    load(&p, c, (int32_t)(24 - size));
    to_ctr(&p, c);
    if (c != 12)
        load(&p, arg->data_register, (int32_t)(16 - size));
    word(&p, 0x4e800420);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    unsigned char *p = at;
    load(&p, arg->data_register, (int32_t)(16 - size));
    word(&p, 0x798c04e4); /* clrrdi r12, r12, 12 */
    word(&p, 0x48000000 + (255 - in_block) * 16 - 12);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    load(&at, 12, (int32_t)-size);
    to_ctr(&at, 12);
    word(&at, 0x4e800420);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0x7fe00008);
}

#endif
