/* SPDX-License-Identifier: MIT */
/* bytes.h - 32-bit ARM: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static void word(unsigned char **p, uint32_t instruction)
{
    memcpy(*p, &instruction, 4);
    *p += 4;
}

/* sub r, pc, #: eight bits, rotated to the right by twice ten; the PC is 8 ahead. */
static void start(unsigned char **p, uint32_t r, ptrdiff_t size)
{
    word(p, 0xe24f0000u + r * 0x1000 + 10 * 0x100 + (uint32_t)size / 4096);
}

/* ldr t, [n, #up] */
static void load(unsigned char **p, uint32_t t, uint32_t n, uint32_t up)
{
    word(p, 0xe5900000u + n * 0x10000 + t * 0x1000 + up);
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    uint32_t c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 12;
    unsigned char *p = at;
    start(&p, c, size);
    load(&p, arg->data_register, c, 8);
    load(&p, c, c, 16);
    word(&p, 0xe12fff10u + c);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    unsigned char *p = at;
    start(&p, 12, size);
    load(&p, arg->data_register, 12, 8);
    word(&p, 0xea000000u + ((255 - in_block) * 16 - 8 - 8) / 4);
}

/* ldr ip, [ip, #-4088]; bx ip */
static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    start(&at, 12, size);
    word(&at, 0xe51ccff8u);
    word(&at, 0xe12fff1cu);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0xe7f000f0u);
}

#endif
