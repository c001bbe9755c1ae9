/* SPDX-License-Identifier: MIT */
/* bytes.h - LoongArch: what every byte of a trampoline must be (bytes.c) */
#ifndef BYTES_H
#define BYTES_H

#include "table.h"

static void word(unsigned char **p, uint32_t instruction)
{
    memcpy(*p, &instruction, 4);
    *p += 4;
}

/* pcaddi r, words; ld.d r, r, 0. `to` is from the first word on, and 20 bits of words are signed.
 */
static void load(unsigned char **p, uint32_t r, int32_t to)
{
    int32_t words = to / 4;
    word(p, 0x18000000u + (uint32_t)(words < 0 ? words + 0x100000 : words) * 32 + r);
    word(p, 0x28c00000u + r * 33);
}

static void absolute(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    uint32_t c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 13;
    unsigned char *p = at;
    load(&p, arg->data_register, (int32_t)(16 - size));
    load(&p, c, (int32_t)(24 - 8 - size));
    word(&p, 0x4c000000u + c * 32);
}

/* b: the offset's bits 17 to 2 from bit 10 on; those above it, which are 0, are the lowest. */
static void compact(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size,
                    unsigned in_block)
{
    uint32_t to = (255 - in_block) * 16 - 8;
    unsigned char *p = at;
    load(&p, arg->data_register, (int32_t)(16 - size));
    word(&p, 0x50000000u + to / 4 * 1024);
}

static void stub(const struct trampfd_create *arg, unsigned char *at, ptrdiff_t size)
{
    (void)arg;
    load(&at, 13, (int32_t)(-4080 - size));
    word(&at, 0x4c0001a0);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0x002a0000);
}

#endif
