/* SPDX-License-Identifier: MIT */
/* encode.c - one of the module's encoders (-DARCH=) as a filter: a call a line in, bytes out
 *
 *     absolute SIZE DATA_REGISTER CODE_REGISTER      32 bytes; CODE_REGISTER -1: none named
 *     compact SIZE DATA_REGISTER IN_BLOCK            16 bytes; the trampoline's number in its block
 *     stub SIZE DATA_REGISTER                        16 bytes
 *     pad                                            16 bytes
 *     about                                          machine, registers, code registers
 *
 * Numbers are hexadecimal. SIZE: how far before the code its constants are.
 */
#include "trampfd.h"

#include <inttypes.h>
#include <stdio.h>

static const struct trampfd_arch *const arch = &ARCH;
static unsigned char block[TRAMPFD_BLOCK] __attribute__((aligned(TRAMPFD_BLOCK)));

static void answer(const unsigned char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", at[i]);
    putchar('\n');
}

int main(void)
{
    char what[16];
    char line[256];
    unsigned char *const last = block + TRAMPFD_BLOCK - TRAMPFD_COMPACT_SIZE;
    while (fgets(line, sizeof line, stdin)) {
        uint64_t n[3] = {0};
        sscanf(line, "%15s %" SCNx64 " %" SCNx64 " %" SCNx64, what, &n[0], &n[1], &n[2]);
        long size = (long)n[0];
        arch->pad(block, sizeof block);
        if (!strcmp(what, "absolute")) {
            bool named = n[2] != UINT64_MAX;
            arch->absolute(block, size, (uint32_t)n[1],
                           named ? (uint32_t)n[2] : arch->code_register);
            answer(block, TRAMPFD_TRAMP_SIZE);
        } else if (!strcmp(what, "compact")) {
            unsigned char *at = block + n[2] * TRAMPFD_COMPACT_SIZE;
            arch->compact(at, size, (uint32_t)n[1], last);
            answer(at, TRAMPFD_COMPACT_SIZE);
        } else if (!strcmp(what, "stub")) {
            arch->stub(last, size, (uint32_t)n[1]);
            answer(last, TRAMPFD_COMPACT_SIZE);
        } else if (!strcmp(what, "pad")) {
            answer(block, TRAMPFD_COMPACT_SIZE);
        } else if (!strcmp(what, "about")) {
            printf("%u %" PRIx64 " %" PRIx64 "\n", arch->machine, arch->registers,
                   arch->code_registers);
        } else {
            return 2;
        }
    }
    return 0;
}
