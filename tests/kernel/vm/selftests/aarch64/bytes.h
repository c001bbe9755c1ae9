/* SPDX-License-Identifier: MIT */
/* bytes.h - arm64: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static void word(unsigned char **p, uint32_t instruction)
{
    memcpy(*p, &instruction, 4);
    *p += 4;
}

enum { BTI_C = (int)0xd503245f };

/* ldr Xt, literal: 58 imm19<<5; br Xn: d61f0000 | n<<5; b: 14 imm26. `to` is from the word on. */
static uint32_t load(unsigned r, ptrdiff_t to)
{
    return 0x58000000u | ((uint32_t)(to / 4) & 0x7ffff) << 5 | r;
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    unsigned c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 16;
    unsigned char *p = at;
    word(&p, (uint32_t)BTI_C);
    word(&p, load(arg->data_register, 16 - 4 - size));
    word(&p, load(c, 24 - 8 - size));
    word(&p, 0xd61f0000u | c << 5);
}

static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    unsigned char *p = at;
    word(&p, (uint32_t)BTI_C);
    word(&p, load(arg->data_register, 16 - 4 - size));
    word(&p, 0x14000000u | ((255 - in_block) * 16 - 8) / 4);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    word(&at, load(16, -4080 - size));
    word(&at, 0xd61f0200u);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0xd4200000u);
}

#endif
