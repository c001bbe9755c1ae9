/* SPDX-License-Identifier: MIT */
/* bytes.c - what every byte of a table must be, from the header's text and the processors' manuals
 *
 * Written without looking at the module. So if the two differ, one of them is wrong.
 */
#include "table.h"

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *constants, unsigned char *code);

#ifdef __x86_64__
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

static void stub(unsigned char *at, ptrdiff_t size)
{
    relative(bytes(at, "\xff\x25", 2), at, -4080 - size);
}

static void padding(unsigned char *out, size_t size)
{
    memset(out, 0xcc, size);
}
#else
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

static void stub(unsigned char *at, ptrdiff_t size)
{
    word(&at, load(16, -4080 - size));
    word(&at, 0xd61f0200u);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0xd4200000u);
}
#endif

static void compact_block(const struct table *table, unsigned from, const uint64_t *datas,
                          uint64_t target, unsigned char *constants, unsigned char *code)
{
    for (unsigned i = 0; i < TRAMPFD_COMPACT_GROUP - 1; i++) {
        if (!is_tramp(&table->arg, from + i))
            continue;
        memcpy(constants + (i + 1) * 16, &datas[from + i], 8);
        compact(&table->arg, code + i * 16, (ptrdiff_t)table->size, i);
    }
    memcpy(constants, &target, 8);
    stub(code + TRAMPFD_BLOCK - 16, (ptrdiff_t)table->size);
}

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *constants, unsigned char *code)
{
    const struct trampfd_create *arg = &table->arg;
    memset(constants, 0, table->size);
    padding(code, table->size);
    if (arg->flags & TRAMPFD_COMPACT) {
        for (unsigned i = 0; i < arg->count; i += TRAMPFD_COMPACT_GROUP)
            compact_block(table, i, datas, codes[0], constants + i * 16, code + i * 16);
        return;
    }
    for (unsigned i = 0; i < arg->count; i++) {
        memcpy(constants + i * 32 + 16, &datas[i], 8);
        memcpy(constants + i * 32 + 24, &codes[i], 8);
        absolute(arg, code + i * 32, (ptrdiff_t)table->size);
    }
}
