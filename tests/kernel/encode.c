/* SPDX-License-Identifier: MIT */
/* encode.c - the module's encoders as a filter: a call a line in, bytes or an error out
 *
 *     absolute DATA DATA_REGISTER CODE_REGISTER EACH CODE    32 bytes; CODE_REGISTER -1: none named
 *     compact PC DATA DATA_REGISTER STUB                     16 bytes
 *     stub CODE                                              16 bytes
 *     pad                                                    16 bytes
 *     about                                                  machine, registers
 *
 * Numbers are hexadecimal. EACH: the literal is the trampoline's last word, else far behind it, as
 * the first trampoline of a block has it. An error is the name of the errno.
 */
#include "trampfd.h"

#include <inttypes.h>
#include <stdio.h>

static unsigned char block[TRAMPFD_BLOCK];

static void answer(int error, size_t size)
{
    if (error) {
        puts(error == -ERANGE ? "ERANGE" : error == -EILSEQ ? "EILSEQ" : "another");
        return;
    }
    for (size_t i = 0; i < size; i++)
        printf("%02x", block[i]);
    putchar('\n');
}

static int absolute(const uint64_t *n)
{
    unsigned char *literal = block + (n[3] ? TRAMPFD_TRAMP_SIZE : TRAMPFD_BLOCK) - 8;
    uint32_t code_register = n[2] == UINT64_MAX ? trampfd_arch.code_register : (uint32_t)n[2];
    int error = trampfd_arch_literal(literal, n[4]);
    return error ? error
                 : trampfd_arch_absolute(block, n[0], (uint32_t)n[1], literal, code_register);
}

int main(void)
{
    char what[16];
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        uint64_t n[5] = {0};
        sscanf(line, "%15s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, what, &n[0],
               &n[1], &n[2], &n[3], &n[4]);
        trampfd_arch_pad(block, sizeof block);
        if (!strcmp(what, "absolute"))
            answer(absolute(n), TRAMPFD_TRAMP_SIZE);
        else if (!strcmp(what, "compact"))
            answer(trampfd_arch_compact(block, n[0], n[1], (uint32_t)n[2], (uint32_t)n[3]),
                   TRAMPFD_COMPACT_SIZE);
        else if (!strcmp(what, "stub"))
            answer(trampfd_arch_stub(block, n[0]), TRAMPFD_COMPACT_SIZE);
        else if (!strcmp(what, "pad"))
            answer(0, TRAMPFD_COMPACT_SIZE);
        else if (!strcmp(what, "about"))
            printf("%u %" PRIx64 "\n", trampfd_arch.machine, trampfd_arch.registers);
        else
            return 2;
    }
    return 0;
}
