/* SPDX-License-Identifier: MIT */
/* bytes.h - RISC-V: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static void word(unsigned char **p, uint32_t instruction)
{
    memcpy(*p, &instruction, 4);
    *p += 4;
}

/* auipc r, upper; ld r, lower(r): the lower 12 bits are signed. `to` is from the first word on. */
static void load(unsigned char **p, uint32_t r, int32_t to)
{
    int32_t lower = to % 4096;
    lower -= lower >= 2048 ? 4096 : lower < -2048 ? -4096 : 0;
    word(p, (uint32_t)(to - lower) + r * 128 + 0x17);
    word(p, (uint32_t)lower * 0x100000u + r * 0x8000 + 0x3000 + r * 128 + 0x03);
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    uint32_t c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 28;
    unsigned char *p = at;
    word(&p, 0x17); /* lpad 0 */
    load(&p, arg->data_register, (int32_t)(16 - 4 - size));
    load(&p, c, (int32_t)(24 - 12 - size));
    word(&p, c * 0x8000 + 0x67);
}

/* jal x0: the offset's bits 20, 10 to 1, 11, 19 to 12 from the top. */
static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    uint32_t to = (255 - in_block) * 16 - 12;
    unsigned char *p = at;
    word(&p, 0x17);
    load(&p, arg->data_register, (int32_t)(16 - 4 - size));
    word(&p, to / 2 % 1024 << 21 | to / 2048 % 2 << 20 | 0x6f);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    load(&at, 28, (int32_t)(-4080 - size));
    word(&at, 0x000e0067);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0x00100073);
}

#endif
