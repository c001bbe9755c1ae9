/* SPDX-License-Identifier: MIT */
/* bytes.c - what every byte of a table must be, from the header's text and the processors' manuals
 *
 * Written without a look at the module, so that one of the two is wrong when they differ.
 */
#include "table.h"

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *out);

#ifdef __x86_64__
/* mov imm64: REX.W (+B) b8+r; mov rip-relative: REX.W (+R) 8b /r; jmp *r: (REX.B) ff /4. */
static void absolute(const struct trampfd_create *arg, unsigned char *at, size_t literal,
                     uint64_t value)
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned r = arg->data_register, c = arg->code_register;
    unsigned char *p = at;
    int32_t to;
    memcpy(p, endbr64, 4);
    p += 4;
    *p++ = (unsigned char)(r < 8 ? 0x48 : 0x49);
    *p++ = (unsigned char)(0xb8 + r % 8);
    memcpy(p, &value, 8);
    p += 8;
    if (arg->flags & TRAMPFD_CODE_REGISTER) {
        *p++ = (unsigned char)(c < 8 ? 0x48 : 0x4c);
        *p++ = 0x8b;
        *p++ = (unsigned char)(0x05 + c % 8 * 8);
        to = (int32_t)((ptrdiff_t)literal - (p + 4 - at));
        memcpy(p, &to, 4);
        p += 4;
        if (c >= 8)
            *p++ = 0x41;
        *p++ = 0xff;
        *p++ = (unsigned char)(0xe0 + c % 8);
    } else {
        *p++ = 0xff;
        *p++ = 0x25;
        to = (int32_t)((ptrdiff_t)literal - (p + 4 - at));
        memcpy(p, &to, 4);
    }
}

/* lea rip-relative: REX.W (+R) 8d /r; jmp rel32: e9. `address` is the trampoline's own. */
static void compact(const struct trampfd_create *arg, unsigned char *at, uint64_t address,
                    unsigned in_block, uint64_t value)
{
    unsigned r = arg->data_register;
    int32_t to_data = (int32_t)(value - (address + 11)), to_stub = (int32_t)(255 - in_block) * 16;
    const unsigned char head[] = {0xf3,
                                  0x0f,
                                  0x1e,
                                  0xfa,
                                  (unsigned char)(r < 8 ? 0x48 : 0x4c),
                                  0x8d,
                                  (unsigned char)(0x05 + r % 8 * 8)};
    memcpy(at, head, 7);
    memcpy(at + 7, &to_data, 4);
    at[11] = 0xe9;
    to_stub -= 16;
    memcpy(at + 12, &to_stub, 4);
}

static void stub(unsigned char *at, uint64_t code)
{
    static const unsigned char jump[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
    memcpy(at, jump, 8);
    memcpy(at + 8, &code, 8);
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

/* ldr Xt, literal: 58 imm19<<5; br Xn: d61f0000 | n<<5; movz: d2800000, movk: f2800000. */
static void absolute(const struct trampfd_create *arg, unsigned char *at, size_t literal,
                     uint64_t value)
{
    unsigned r = arg->data_register;
    unsigned c = arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : 16;
    unsigned char *p = at;
    word(&p, (uint32_t)BTI_C);
    word(&p, 0xd2800000u | (uint32_t)(value & 0xffff) << 5 | r);
    word(&p, 0xf2a00000u | (uint32_t)(value >> 16 & 0xffff) << 5 | r);
    word(&p, 0xf2c00000u | (uint32_t)(value >> 32 & 0xffff) << 5 | r);
    word(&p, 0x58000000u | (uint32_t)(((ptrdiff_t)literal - (p - at)) / 4 & 0x7ffff) << 5 | c);
    word(&p, 0xd61f0000u | c << 5);
}

/* adr: 10000000 | immlo<<29 | immhi<<5; adrp: 90000000, of pages; add imm12: 91000000. */
static void compact(const struct trampfd_create *arg, unsigned char *at, uint64_t address,
                    unsigned in_block, uint64_t value)
{
    unsigned r = arg->data_register;
    unsigned char *p = at;
    int64_t near = (int64_t)(value - (address + 4));
    int64_t pages = (int64_t)(value >> 12) - (int64_t)((address + 4) >> 12);
    uint32_t stub_at = (255 - in_block) * 16;
    bool is_near = near >= -(1 << 20) && near < 1 << 20;
    int64_t imm = is_near ? near : pages;
    word(&p, (uint32_t)BTI_C);
    word(&p, (is_near ? 0x10000000u : 0x90000000u) | (uint32_t)(imm & 3) << 29 |
                 (uint32_t)(imm >> 2 & 0x7ffff) << 5 | r);
    if (!is_near)
        word(&p, 0x91000000u | (uint32_t)(value & 0xfff) << 10 | r << 5 | r);
    word(&p, 0x14000000u | (uint32_t)((stub_at - (uint32_t)(p - at)) / 4));
    if (is_near)
        word(&p, 0xd4200000u);
}

static void stub(unsigned char *at, uint64_t code)
{
    word(&at, 0x58000050u);
    word(&at, 0xd61f0200u);
    memcpy(at, &code, 8);
}

static void padding(unsigned char *out, size_t size)
{
    for (unsigned char *p = out; p < out + size;)
        word(&p, 0xd4200000u);
}
#endif

static void absolute_block(const struct table *table, unsigned from, const uint64_t *datas,
                           const uint64_t *codes, unsigned char *out)
{
    const struct trampfd_create *arg = &table->arg;
    for (unsigned i = from; i < arg->count && i < from + TRAMPFD_BLOCK_TRAMPS; i++) {
        unsigned char *at = out + (i - from) * TRAMPFD_TRAMP_SIZE;
        bool own = arg->flags & TRAMPFD_CODE_ARRAY;
        absolute(arg, at, own ? 24 : (size_t)(out + TRAMPFD_BLOCK - 8 - at), datas[i]);
        if (own)
            memcpy(at + 24, &codes[i], 8);
    }
    if (!(arg->flags & TRAMPFD_CODE_ARRAY))
        memcpy(out + TRAMPFD_BLOCK - 8, &codes[0], 8);
}

static void compact_block(const struct table *table, unsigned from, const uint64_t *datas,
                          const uint64_t *codes, unsigned char *out)
{
    const struct trampfd_create *arg = &table->arg;
    for (unsigned i = from; i < from + TRAMPFD_COMPACT_GROUP - 1; i++)
        if (is_tramp(arg, i))
            compact(arg, out + (i - from) * 16, arg->map_addr + i * 16, i - from, datas[i]);
    stub(out + TRAMPFD_BLOCK - 16, codes[0]);
}

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *out)
{
    bool is_compact = table->arg.flags & TRAMPFD_COMPACT;
    unsigned each = is_compact ? TRAMPFD_COMPACT_GROUP : TRAMPFD_BLOCK_TRAMPS;
    padding(out, table->size);
    for (unsigned from = 0; from < table->arg.count; from += each) {
        unsigned char *block = out + from / each * TRAMPFD_BLOCK;
        (is_compact ? compact_block : absolute_block)(table, from, datas, codes, block);
    }
}
