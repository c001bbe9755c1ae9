/* SPDX-License-Identifier: MIT */
/* bytes.c - what every byte of a table must be, from the header's text and the processors' manuals
 *
 * What depends on the machine is in <isa>/bytes.h. Written without a look at the module, so that
 * one of the two is wrong when they differ.
 */
#include "bytes.h" /* the machine's: absolute(), compact(), stub(), padding() */

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *constants, unsigned char *code);

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
    stub(&table->arg, code + TRAMPFD_BLOCK - 16, (ptrdiff_t)table->size);
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
